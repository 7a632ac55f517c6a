package function

import "countersign/handle"

// SetStore lets a function work on another store.
func (f *Function) SetStore(s handle.Store) { f.notifier.Store = s }
