package bot

import (
	"context"
	"errors"
	"slices"
	"sync"

	"countersign/bot/blocks"
	"countersign/handle"
)

// Limits of one answer: reads of the index of open requests, summaries in each read, and
// look-ups of user groups. A list that stops at a limit says so, and its Next button
// continues from there.
const (
	listRead       = 100
	listReads      = 10
	maxListLookups = 20 // usergroups.users.list allows about 20 a minute
)

// reader reads lists of open requests as one person sees them.
type reader struct {
	b       *Bot
	who     handle.Voter
	looked  map[string]bool // user groups that Slack was asked about
	unknown bool            // some groups could not be looked up

	// fresh are requests that this process has just written or read, because the index
	// may lag behind by seconds.
	fresh map[string]handle.Request
}

func (b *Bot) newReader(who handle.Voter, fresh ...handle.Request) *reader {
	who.Groups = nil // read looks up those that the list needs
	x := &reader{b: b, who: who, looked: map[string]bool{}, fresh: map[string]handle.Request{}}
	for _, r := range fresh {
		if r.ID != "" {
			x.fresh[r.ID] = r
		}
	}
	return x
}

// walk calls f with the open requests after a cursor, the earliest deadline first,
// until f returns false, the list ends, listReads are made, or time runs out after the
// first. next is the cursor to continue from; empty if the list has ended.
func (x *reader) walk(ctx context.Context, after string, size int, f func(handle.Summary) bool) (next string, err error) {
	for n := range listReads {
		page, next, err := x.read(ctx, after, size)
		if err != nil && n > 0 && ctx.Err() != nil {
			x.b.log().Warn("no time to read the whole list of open requests", "reads", n)
			return after, nil
		}
		if err != nil {
			return "", err
		}
		for i, s := range page {
			if r, known := x.fresh[s.ID]; known {
				var open bool
				if s, open = r.Summary(); !open {
					continue
				}
			}
			if !f(s) {
				if i == len(page)-1 {
					return next, nil
				}
				return page[i].Cursor(), nil
			}
		}
		if after = next; after == "" {
			return "", nil
		}
	}
	return after, nil
}

// read reads one part of the index, and looks up the person's groups for it.
func (x *reader) read(ctx context.Context, after string, size int) (page []handle.Summary, next string, err error) {
	type part struct {
		page []handle.Summary
		next string
	}
	call, cancel := x.b.callTimeout(ctx)
	defer cancel()
	p, err := within(call, x.b, "list the open requests", func(ctx context.Context) (p part, err error) {
		p.page, p.next, err = x.b.Store.Open(ctx, after, size)
		return p, err
	})
	if err != nil {
		return nil, "", err
	}
	x.lookUpGroups(ctx, p.page)
	return p.page, p.next, nil
}

// lookUpGroups finds out which of the approver groups of page the person is in.
func (x *reader) lookUpGroups(ctx context.Context, page []handle.Summary) {
	var (
		mu    sync.Mutex
		calls []func()
	)
	for _, s := range page {
		for _, group := range s.Approvers {
			if !handle.IsUserGroup(group) || x.looked[group] {
				continue
			}
			if len(x.looked) == maxListLookups {
				mu.Lock()
				x.unknown = true
				mu.Unlock()
				continue
			}
			x.looked[group] = true
			calls = append(calls, func() {
				users, err := x.b.groupMembers(ctx, group)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					x.b.log().Warn("could not look up a user group for a list", "group", group, "error", err)
					x.unknown = true
				}
				if slices.ContainsFunc(users, func(id string) bool { return x.who.Has(id) }) {
					x.who.Groups = append(x.who.Groups, group)
				}
			})
		}
	}
	x.b.sideBySide(groupsAtOnce, calls)
}

func (x *reader) item(s handle.Summary) blocks.Item {
	return blocks.Item{Summary: s, Waiting: s.WaitsFor(x.who, x.b.Now()), Own: s.RequestedBy(x.who.Person)}
}

// listed reports whether q asks for it.
func (q query) listed(it blocks.Item) bool {
	switch q.list {
	case listWaiting:
		if !it.Waiting {
			return false
		}
	case listMine:
		if !it.Own {
			return false
		}
	}
	return q.matches(it.Summary)
}

// page reads up to size requests that q asks for, after a cursor.
func (x *reader) page(ctx context.Context, q query, after string, size int) (items []blocks.Item, next string, err error) {
	read := listRead
	if q.list == listAll && len(q.terms) == 0 {
		read = size
	}
	next, err = x.walk(ctx, after, read, func(s handle.Summary) bool {
		if it := x.item(s); q.listed(it) {
			items = append(items, it)
		}
		return len(items) < size
	})
	return items, next, err
}

// listing reads one page of the list that q asks for.
func (x *reader) listing(ctx context.Context, q query, at listPage) (blocks.Listing, error) {
	items, next, err := x.page(ctx, q, at.After, blocks.ListSize)
	if errors.Is(err, handle.ErrCursor) {
		at.After, at.Before = "", nil
		items, next, err = x.page(ctx, q, "", blocks.ListSize)
	}
	if err != nil {
		return blocks.Listing{}, err
	}
	l := blocks.Listing{List: string(q.list), Search: len(q.terms) > 0, Text: q.shown(), Items: items, GroupsUnknown: x.unknown, First: at.After == ""}
	if next != "" {
		l.Next = at.next(q.text, next)
	}
	l.Previous = at.previous()
	l.Batch = listPage{Query: q.text}.String()
	return l, nil
}
