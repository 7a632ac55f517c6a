package slacktest

import "fmt"

// PostAs posts a message as a user, in a thread if threadTS is not empty.
func (w *Workspace) PostAs(userID, channelID, threadTS, text string) (ts string, err error) {
	now := w.config.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.userByID(userID)
	r, found := w.channels.byID[channelID]
	switch {
	case w.down:
		return "", ErrDown
	case u == nil || u.Deleted:
		return "", fmt.Errorf("%w: %s", ErrNoUser, userID)
	case !found:
		return "", fmt.Errorf("%w: %s", ErrNoChannel, channelID)
	case !r.hasMember(u.ID):
		return "", ErrNotVisible
	case r.Archived:
		return "", ErrNotAllowed
	}
	if apiErr := r.checkThread(threadTS); apiErr != nil || r.deleted[threadTS] {
		return "", fmt.Errorf("%w: %s", ErrNoMessage, threadTS)
	}
	p := w.addMessage(r, Message{TS: w.newTS(now), ThreadTS: threadTS, UserID: u.ID, UnfurlLinks: true, UnfurlMedia: true},
		messageArgs{text: text, mentions: addMentions(nil, text)})
	return p.TS, nil
}

// DeleteMessage deletes any message, as a workspace admin can.
func (w *Workspace) DeleteMessage(channelID, ts string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.channels.byID[channelID]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoChannel, channelID)
	}
	p, ok := r.byTS[ts]
	if !ok || p.Deleted {
		return fmt.Errorf("%w: %s", ErrNoMessage, ts)
	}
	r.remove(p)
	w.version++
	return nil
}
