// Package sim plays the real bot and notifier against the made world, in
// schedules drawn from seeds, and holds everything that happens against the
// laws.
//
// A schedule is what people do, one after the other: they launch, press, submit
// forms, follow mailed links, signal wait handles themselves, delete stacks; time
// passes, functions are restarted, Slack and mail go down. At each outside call
// of the functions, the store's included, it may happen that the call is not
// done, or done and its answer lost or spoilt, that the function dies, or that
// somebody else acts at exactly that moment: the interrupted function goes on
// when they have finished, as a zombie if the functions were restarted meanwhile.
//
// The laws are checked where they could be broken: each write of the store as
// it becomes durable, each signal, answer, post and mail as it leaves, messages
// after each step. At the end everything is healed, and after more than a day
// nothing may be owed.
//
// A play does one thing at a time, on a clock that stands still unless it is
// moved. So a seed always comes to the same, and a failing one is shrunk to the
// few steps that it takes and told as a story.
package sim
