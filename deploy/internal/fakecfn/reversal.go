package fakecfn

import "slices"

// rollBackUpdate ends an update that failed or was cancelled: it makes the deployment before it active again and updates
// every resource that differs from it. That includes the resources that failed, since they may have changed.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
func (e *Engine) rollBackUpdate(st *stack, reason string) {
	e.setStackStatus(st, UpdateRollbackInProgress, reason)
	st.swap()
	st.phase = reverting
	e.queueAll(st)
}

// completeReversal starts the clean-up after a rollback: it deletes what the update created.
func (e *Engine) completeReversal(st *stack) {
	if outputs, err := st.instance.Outputs(); err == nil {
		e.setOutputs(st, outputs)
	}
	e.setStackStatus(st, UpdateRollbackCompleteCleanupInProgress, "")
	ordered, others := st.discarded(st.other)
	e.startRemoval(st, st.other.instance, ordered, others)
}

// failReversal ends a rollback that failed. What it did not delete is deleted with the stack.
func (e *Engine) failReversal(st *stack, reason string) {
	ordered, others := st.discarded(st.other)
	st.stranded = append(slices.Concat(ordered...), others...)
	st.phase, st.other = idle, nil
	e.setStackStatus(st, UpdateRollbackFailed, reason)
}
