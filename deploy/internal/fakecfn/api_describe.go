package fakecfn

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"time"
)

// pageSize is the number of stacks or events on a page of an API response.
const pageSize = 100

// pageRange returns the range of entries on the page of a NextToken. Entries are listed from the last to the first. The
// token is the index where the previous page ended, so that new entries do not shift pages.
func pageRange(token string, total int) (first, end int, next string, err *Error) {
	end = total
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		n, atoiErr := strconv.Atoi(string(raw))
		if err != nil || atoiErr != nil || n < 0 || n > total {
			return 0, 0, "", &Error{Code: codeValidation, Message: "Invalid NextToken"}
		}
		end = n
	}
	first = max(0, end-pageSize)
	if first > 0 {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(first)))
	}
	return first, end, next, nil
}

// readable returns a stack that the API may read: to its callers, who are in the engine's account, stacks of other
// accounts do not exist.
func (e *Engine) readable(id string) (*stack, bool) {
	st, ok := e.find(id)
	return st, ok && st.account == e.cfg.Account
}

// describeStacks writes one stack, or all that are not deleted, newest first.
func (e *Engine) describeStacks(x *xmlWriter, form url.Values) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []*stack
	if name := form.Get("StackName"); name != "" {
		st, ok := e.readable(name)
		if !ok {
			return &Error{Code: codeValidation, Message: "Stack with id " + name + " does not exist"}
		}
		found = append(found, st)
	} else {
		for _, st := range e.stacks {
			if st.status != DeleteComplete && st.account == e.cfg.Account {
				found = append(found, st)
			}
		}
	}
	first, end, next, err := pageRange(form.Get("NextToken"), len(found))
	if err != nil {
		return err
	}
	x.open("Stacks")
	for i := end - 1; i >= first; i-- {
		found[i].write(x)
	}
	x.close("Stacks")
	x.textIfSet("NextToken", next)
	return nil
}

// write writes the stack in DescribeStacks' form.
func (st *stack) write(x *xmlWriter) {
	x.open("member")
	x.text("StackId", st.id)
	x.text("StackName", st.name)
	x.textIfSet("Description", st.description)
	x.time("CreationTime", st.created)
	x.time("LastUpdatedTime", st.updated)
	x.time("DeletionTime", st.deleted)
	x.text("StackStatus", string(st.status))
	x.textIfSet("StackStatusReason", st.reason)
	x.text("DisableRollback", strconv.FormatBool(st.disableRollback))
	x.text("EnableTerminationProtection", "false")
	x.open("NotificationARNs")
	for _, arn := range st.notificationARNs {
		x.text("member", arn)
	}
	x.close("NotificationARNs")
	x.open("Parameters")
	for _, p := range st.instance.Parameters {
		x.open("member")
		x.text("ParameterKey", p.Key)
		x.text("ParameterValue", p.Value)
		x.textIfSet("ResolvedValue", p.ResolvedValue)
		x.close("member")
	}
	x.close("Parameters")
	x.open("Outputs")
	for _, o := range st.outputs {
		x.open("member")
		x.text("OutputKey", o.Key)
		x.text("OutputValue", o.Value)
		x.textIfSet("Description", o.Description)
		x.textIfSet("ExportName", o.ExportName)
		x.close("member")
	}
	x.close("Outputs")
	x.open("Tags")
	for _, t := range st.tags {
		x.open("member")
		x.text("Key", t.Key)
		x.text("Value", t.Value)
		x.close("member")
	}
	x.close("Tags")
	writeDrift(x)
	x.close("member")
}

func writeDrift(x *xmlWriter) {
	x.open("DriftInformation")
	x.text("StackDriftStatus", "NOT_CHECKED")
	x.close("DriftInformation")
}

// describeStackEvents writes a page of events, newest first.
func (e *Engine) describeStackEvents(x *xmlWriter, form url.Values) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := form.Get("StackName")
	st, ok := e.readable(name)
	if !ok {
		return &Error{Code: codeValidation, Message: "Stack [" + name + "] does not exist"}
	}
	first, end, next, err := pageRange(form.Get("NextToken"), len(st.events))
	if err != nil {
		return err
	}
	x.open("StackEvents")
	for _, ev := range st.snapshotEvents(first, end) {
		x.open("member")
		x.text("StackId", st.id)
		x.text("EventId", ev.ID)
		x.text("StackName", st.name)
		x.writeResource(ev.LogicalID, ev.PhysicalID, ev.Type, ev.Status, ev.Reason, ev.Timestamp)
		x.textIfSet("ResourceProperties", ev.Properties)
		x.textIfSet("HookType", ev.Hook.Type)
		x.textIfSet("HookStatus", ev.Hook.Status)
		x.textIfSet("HookStatusReason", ev.Hook.Reason)
		x.textIfSet("HookFailureMode", ev.Hook.Mode)
		x.textIfSet("HookInvocationPoint", ev.Hook.Point)
		x.close("member")
	}
	x.close("StackEvents")
	x.textIfSet("NextToken", next)
	return nil
}

// writeResource writes the elements that events and resources share.
func (x *xmlWriter) writeResource(logicalID, physicalID, typ string, status Status, reason string, at time.Time) {
	x.text("LogicalResourceId", logicalID)
	x.text("PhysicalResourceId", physicalID)
	x.text("ResourceType", typ)
	x.time("Timestamp", at)
	x.text("ResourceStatus", string(status))
	x.textIfSet("ResourceStatusReason", reason)
}

// describeStackResources writes the resources of a stack, which is given by name or by the physical ID of a resource.
func (e *Engine) describeStackResources(x *xmlWriter, form url.Values) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	name, logicalID, physicalID := form.Get("StackName"), form.Get("LogicalResourceId"), form.Get("PhysicalResourceId")
	st, ok := e.readable(name)
	if name == "" && physicalID != "" {
		if st, ok = e.owner(physicalID); !ok {
			return &Error{Code: codeValidation, Message: "Stack for " + physicalID + " does not exist"}
		}
	}
	if !ok {
		return &Error{Code: codeValidation, Message: "Stack with id " + name + " does not exist"}
	}
	x.open("StackResources")
	found := false
	for _, r := range st.snapshotResources() {
		if logicalID != "" && r.LogicalID != logicalID {
			continue
		}
		found = true
		x.open("member")
		x.text("StackId", st.id)
		x.text("StackName", st.name)
		x.writeResource(r.LogicalID, r.PhysicalID, r.Type, r.Status, r.StatusReason, r.Timestamp)
		writeDrift(x)
		x.close("member")
	}
	x.close("StackResources")
	if logicalID != "" && !found {
		return &Error{Code: codeValidation, Message: "Resource " + logicalID + " does not exist for stack " + st.name}
	}
	return nil
}

// owner returns the stack, not deleted, that has a resource with a physical ID.
func (e *Engine) owner(physicalID string) (*stack, bool) {
	for _, st := range e.stacks {
		for _, r := range st.shown() {
			if r.physicalID == physicalID && st.status != DeleteComplete && st.account == e.cfg.Account {
				return st, true
			}
		}
	}
	return nil, false
}

// getTemplate writes the template of a stack as it was given. A template without macros is the same in both stages.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html
func (e *Engine) getTemplate(x *xmlWriter, form url.Values) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := form.Get("StackName")
	if name == "" {
		return &Error{Code: codeValidation, Message: "Either stackName or changeSetName must be specified."} // own words
	}
	st, ok := e.readable(name)
	if !ok {
		return &Error{Code: codeValidation, Message: "Stack with id " + name + " does not exist"}
	}
	x.text("TemplateBody", string(st.template.Source()))
	x.open("StagesAvailable")
	x.text("member", "Original")
	x.text("member", "Processed")
	x.close("StagesAvailable")
	return nil
}
