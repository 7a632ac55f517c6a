// Package sim runs the real bot and notifier against simulated AWS and Slack, in
// schedules drawn from seeds, and checks the design's laws throughout.
//
// A schedule is a list of actions: people launch products, click, submit forms,
// follow mailed links, signal wait handles themselves and delete stacks; they
// update stacks, openly or past the gate, cancel updates, approve expired
// launches late and launch them again; they ask, answer, review, reassign, nudge
// and withdraw, list what is open and approve several together; time passes, functions restart, Slack and
// mail go down. Requesters throttle the reads and look-ups that would identify
// them, in an Enterprise Grid people act under either of their IDs, and an
// intruder forges events. At each call of the functions to the outside, the
// store included, the call may fail, or succeed and lose its response; the
// function may die; or another actor may act at that moment. The interrupted
// function goes on afterwards, even if the functions were restarted meanwhile.
//
// Package laws holds the laws. They are checked where they could be broken: each
// write of the store as it becomes durable, each signal, answer, post and mail as
// it is sent, and everything after each step. At the end all faults stop, and
// after more than a day nothing may be due.
//
// A run does one thing at a time, on a clock that moves only when told to; calls
// that leave side by side are made one by one, in an order drawn from the seed. So a
// seed always gives the same run, and a failing one is shrunk to the few steps
// that it needs and printed as a story.
package sim
