package bot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/slack-go/slack"

	"countersign/bot/blocks"
	"countersign/handle"
)

// eventEnvelope is a request of the Events API. See
// https://docs.slack.dev/apis/events-api
type eventEnvelope struct {
	Type      string          `json:"type"`
	Challenge string          `json:"challenge"` // of url_verification
	AppID     string          `json:"api_app_id"`
	Event     json.RawMessage `json:"event"`
}

// homeOpened is the event of a person who opens the app's Home tab. See
// https://docs.slack.dev/reference/events/app_home_opened
type homeOpened struct {
	Type string `json:"type"`
	User string `json:"user"`
	Tab  string `json:"tab"`
	View view   `json:"view"` // what is published; empty if nothing is
}

const maxChallenge = 1000 // bytes

// event publishes the Home tab of a person who opens it, and acknowledges other events.
// If that fails it acknowledges nothing, so Slack sends the event again, which is harmless.
func (b *Bot) event(d deadlines, body []byte) (answer reply) {
	var e eventEnvelope
	if err := json.Unmarshal(body, &e); err != nil {
		b.log().Warn("unreadable signed event")
		return reply{status: http.StatusBadRequest}
	}
	switch e.Type {
	case "url_verification": // it names no app
		if len(e.Challenge) > maxChallenge {
			return reply{status: http.StatusBadRequest}
		}
		return reply{status: http.StatusOK, body: map[string]string{"challenge": e.Challenge}}
	case "event_callback":
	default:
		return ok
	}
	if b.forOtherApp(e.AppID) {
		return reply{status: http.StatusForbidden}
	}
	var opened homeOpened
	if json.Unmarshal(e.Event, &opened) != nil || opened.Type != "app_home_opened" || opened.Tab != viewHome || !handle.IsUser(opened.User) {
		return ok
	}
	defer func() {
		if cause := recover(); cause != nil {
			b.logPanic("an event", cause)
			answer = failed
		}
	}()
	i := &interaction{b: b, deadlines: d, user: user{ID: opened.User}, view: view{Type: viewHome, Hash: opened.View.Hash}}
	if !i.refreshHome("") {
		return failed
	}
	return ok
}

// fromHome is the metadata of a modal that was opened on the Home tab.
const fromHome = "home"

// onHome reports whether the person acts on the Home tab, or in a modal opened there.
func (i *interaction) onHome() bool {
	return i.view.Type == viewHome || i.view.Type == viewModal && i.view.Metadata == fromHome
}

// showResult replaces the modal in which the person acted, and refreshes the Home tab
// if it was opened there.
func (i *interaction) showResult(text string, fresh ...handle.Request) bool {
	_, err := within(i.answerBy, i.b, "show a result", func(ctx context.Context) (*slack.ViewResponse, error) {
		return i.b.Slack.UpdateViewContext(ctx, blocks.Result(text), "", "", i.view.ID)
	})
	if err != nil {
		i.b.log().Warn("could not show a result", "user", i.user.ID, "error", err)
	}
	if i.view.Metadata == fromHome {
		i.refreshHome(text, fresh...)
	}
	return err == nil
}

// refreshHome publishes the person's Home tab, with a notice on top. It reads the list
// again; fresh replaces what the index has of the same requests.
func (i *interaction) refreshHome(notice string, fresh ...handle.Request) bool {
	return i.publishHome(notice, listPage{}, fresh...)
}

// turnHome shows another page of the requests waiting for the person.
func (i *interaction) turnHome(value string) reply {
	at, _, err := parseListPage(value)
	if err != nil {
		at = listPage{}
	}
	if !i.publishHome("", at) {
		return failed
	}
	return ok
}

// publishHome publishes the Home tab. If a newer one was published since the person acted,
// it reads the lists again first.
func (i *interaction) publishHome(notice string, at listPage, fresh ...handle.Request) bool {
	hash := ""
	if i.view.Type == viewHome {
		hash = i.view.Hash
	}
	err := i.publish(i.homeView(notice, at, fresh), hash)
	var answered slack.SlackErrorResponse
	if errors.As(err, &answered) && answered.Err == "hash_conflict" {
		err = i.publish(i.homeView(notice, at, fresh), "")
	}
	if err != nil {
		i.b.log().Warn("could not publish a Home tab", "user", i.user.ID, "error", err)
	}
	return err == nil
}

func (i *interaction) publish(v slack.HomeTabViewRequest, hash string) error {
	req := slack.PublishViewContextRequest{UserID: i.user.ID, View: v}
	if hash != "" {
		req.Hash = &hash
	}
	_, err := within(i.answerBy, i.b, "publish a Home tab", func(ctx context.Context) (*slack.ViewResponse, error) {
		return i.b.Slack.PublishViewContext(ctx, req)
	})
	return err
}

// homeView reads what the person's Home tab shows.
func (i *interaction) homeView(notice string, at listPage, fresh []handle.Request) slack.HomeTabViewRequest {
	note := func(text string) slack.HomeTabViewRequest {
		if notice != "" {
			text = notice + "\n" + text
		}
		return blocks.HomeNote(text)
	}
	ctx, cancel := i.answerBy, context.CancelFunc(func() {})
	if end, ok := ctx.Deadline(); ok {
		ctx, cancel = context.WithDeadline(ctx, end.Add(-i.b.budget()/2)) // to publish it
	}
	defer cancel()
	if refused := i.mayList(ctx); refused != "" {
		return note(refused)
	}
	h, err := i.b.newReader(*i.voter, fresh...).home(ctx, at)
	if errors.Is(err, handle.ErrCursor) {
		h, err = i.b.newReader(*i.voter, fresh...).home(ctx, listPage{})
	}
	if err != nil {
		return note(i.listError(err))
	}
	h.Notice = notice
	return h.View()
}

// home reads one page of the requests waiting for the person, and the first of the other
// lists.
func (x *reader) home(ctx context.Context, at listPage) (h blocks.Home, err error) {
	h.At = x.b.Now()
	waiting := query{text: string(listWaiting), list: listWaiting}
	rest, err := x.walk(ctx, "", listRead, func(s handle.Summary) bool {
		it := x.item(s)
		if it.Waiting && at.After == "" {
			if len(h.Waiting) < blocks.HomeWaiting {
				h.Waiting = append(h.Waiting, it)
			} else if h.Next == "" {
				h.Next = h.Waiting[len(h.Waiting)-1].Cursor()
			}
		}
		if grant := s.Kind == handle.OpenGranted; grant && (it.Own || x.mayRevoke(s)) {
			it.Waiting = x.mayRevoke(s)
			h.Grants, h.MoreGrants = limited(h.Grants, it, blocks.HomeGrants)
		} else if it.Own && !grant {
			h.Own, h.MoreOwn = limited(h.Own, it, blocks.HomeOwn)
		}
		return !(h.MoreOwn && h.MoreGrants && (at.After != "" || h.Next != ""))
	})
	h.Unread = rest != ""
	if err == nil && at.After != "" {
		h.Waiting, h.Next, err = x.page(ctx, waiting, at.After, blocks.HomeWaiting)
		h.Previous = at.previous()
	} else if h.Next == "" {
		h.Next = rest
	}
	if err != nil {
		return h, err
	}
	if h.Next != "" {
		h.Next = at.next(waiting.text, h.Next)
	}
	h.Batch, h.GroupsUnknown = listPage{Query: waiting.text}.String(), x.unknown
	return h, nil
}

// limited appends it to list, or reports that there are more if list already has max.
func limited(list []blocks.Item, it blocks.Item, max int) (out []blocks.Item, more bool) {
	if len(list) >= max {
		return list, true
	}
	return append(list, it), false
}

// mayRevoke reports whether the person can approve the request of a grant, and so
// revoke it.
func (x *reader) mayRevoke(s handle.Summary) bool {
	s.Kind, s.Voted = handle.OpenExpired, nil
	return s.WaitsFor(x.who, x.b.Now())
}
