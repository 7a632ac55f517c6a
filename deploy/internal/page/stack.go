package page

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// stacks is the pane of launches: all of them, and the chosen one at length.
type stacks struct {
	Viewer person
	List   []launched
	Chosen *stack
	Said   string // how the chosen one stands, for screen readers
}

// launched is one line of the list.
type launched struct {
	ID, Name string
	State    state
	By       string
	Current  bool
}

// stack is the chosen launch.
type stack struct {
	launched
	StackName string
	Reason    string // why it came to no good
	Created   time.Time
	Mine      bool // the viewer launched it
	Running   bool // its creation can be cancelled
	URL       string
	Outputs   []gate.Output
	Resources []resource
	Events    []event
}

type resource struct {
	ID, Type, Physical string
	State              state
}

type event struct {
	Key    string
	At     time.Time
	ID     string
	Whole  bool // of the stack itself
	State  state
	Reason string
}

// stacksFor reads the stacks, the newest first, for one person, who chose the
// one with that ID. Who chose none sees the newest.
func stacksFor(all []fakecfn.Stack, n names, viewer person, chosen string) stacks {
	out := stacks{Viewer: viewer}
	if !viewer.AWS {
		return out
	}
	for _, s := range slices.Backward(all) {
		out.List = append(out.List, launchedOf(s, n))
	}
	if len(all) == 0 {
		return out
	}
	i := slices.IndexFunc(all, func(s fakecfn.Stack) bool { return s.ID == chosen })
	if i < 0 {
		i = len(all) - 1
	}
	out.List[len(all)-1-i].Current = true
	out.Chosen = stackFor(all[i], n, viewer)
	out.Said = out.Chosen.Name + ": " + out.Chosen.State.Word
	return out
}

func launchedOf(s fakecfn.Stack, n names) launched {
	return launched{ID: s.ID, Name: provisioned(s), State: stateOfStack(s), By: launcher(s, n)}
}

func stackFor(s fakecfn.Stack, n names, viewer person) *stack {
	out := &stack{
		launched: launchedOf(s, n), StackName: s.Name, Created: s.Created,
		Mine: isLauncher(s, viewer), Running: s.Status == fakecfn.CreateInProgress, Outputs: s.Outputs,
	}
	secrets := waitURLs(s)
	if out.State.Kind == "bad" { // else the reason only says who began
		out.Reason = hide(firstFailure(s), secrets)
	}
	for _, r := range s.Resources {
		physical := r.PhysicalID
		if slices.Contains(secrets, physical) {
			if physical = "a pre-signed URL"; out.Mine && waits(s) {
				out.URL = shorten(r.PhysicalID)
			}
		}
		out.Resources = append(out.Resources, resource{r.LogicalID, r.Type, physical, stateOf(r.Status)})
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, event{
			Key: e.ID, At: e.Timestamp, ID: e.LogicalID, Whole: e.PhysicalID == s.ID,
			State: stateOf(e.Status), Reason: hide(e.Reason, secrets),
		})
	}
	return out
}

// firstFailure is why the stack came to no good: what its first resource failed
// of; the later ones only were cancelled with it.
func firstFailure(s fakecfn.Stack) string {
	for _, e := range slices.Backward(s.Events) {
		if e.Status == fakecfn.CreateFailed || e.Status == fakecfn.DeleteFailed {
			return e.LogicalID + ": " + e.Reason
		}
	}
	return s.StatusReason
}

// waitURLs are the physical IDs of the stack's wait handles.
func waitURLs(s fakecfn.Stack) []string {
	var urls []string
	for _, r := range s.Resources {
		if r.Type == "AWS::CloudFormation::WaitConditionHandle" && r.PhysicalID != "" {
			urls = append(urls, r.PhysicalID)
		}
	}
	return urls
}

func hide(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[wait URL]")
	}
	return text
}

// shorten shows where a pre-signed URL leads and that it is signed, and too
// little of it to be used.
func shorten(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "…"
	}
	handle := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	signature := u.Query().Get("X-Amz-Signature")
	return u.Scheme + "://" + u.Host + "/…/" + handle + "?…X-Amz-Signature=" + signature[:min(6, len(signature))] + "…"
}

// provisioned is the name of the provisioned product, which Service Catalog puts
// on the stack as a tag: arn:…:stack/NAME/pp-ID.
func provisioned(s fakecfn.Stack) string {
	parts := strings.Split(tag(s, "aws:servicecatalog:provisionedProductArn"), "/")
	if len(parts) == 3 {
		return parts[1]
	}
	return s.Name
}

// principal is the e-mail address of who launched: the name of the role session.
func principal(s fakecfn.Stack) string {
	arn := tag(s, "aws:servicecatalog:provisioningPrincipalArn")
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

func launcher(s fakecfn.Stack, n names) string {
	if u, ok := n.byEmail(principal(s)); ok {
		return n.user(u.ID)
	}
	return principal(s)
}

func isLauncher(s fakecfn.Stack, p person) bool {
	return p.Email != "" && principal(s) == p.Email
}

func tag(s fakecfn.Stack, key string) string {
	for _, t := range s.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}
