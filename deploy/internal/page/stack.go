package page

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// stacks is the pane of launches: a list, and the selected one in detail.
type stacks struct {
	Viewer       person
	List         []launchSummary
	Chosen       *stack
	Announcement string // the selected stack's state, for screen readers
}

// launchSummary is one line of the list.
type launchSummary struct {
	ID, Name string
	State    state
	By       string
	Current  bool
}

// stack is the selected launch.
type stack struct {
	launchSummary
	StackName string
	Reason    string // why it failed
	Created   time.Time
	Mine      bool // the viewer launched it
	Running   bool // its creation or update can be cancelled
	Updating  bool
	Update    []field // of the update form; nil if the viewer cannot update it now
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
	Whole  bool // an event of the stack itself
	State  state
	Reason string
}

// stacksFor lists the stacks, newest first, as viewer sees them. chosen is the ID
// of the selected one; by default it is the newest. declared are the parameters of
// the product's template.
func stacksFor(all []fakecfn.Stack, n names, declared []*gate.Parameter, viewer person, chosen string) stacks {
	out := stacks{Viewer: viewer}
	if !viewer.AWS {
		return out
	}
	for _, s := range slices.Backward(all) {
		out.List = append(out.List, summarize(s, n))
	}
	if len(all) == 0 {
		return out
	}
	i := slices.IndexFunc(all, func(s fakecfn.Stack) bool { return s.ID == chosen })
	if i < 0 {
		i = len(all) - 1
	}
	out.List[len(all)-1-i].Current = true
	out.Chosen = stackFor(all[i], n, declared, viewer)
	out.Announcement = out.Chosen.Name + ": " + out.Chosen.State.Word
	return out
}

func summarize(s fakecfn.Stack, n names) launchSummary {
	return launchSummary{ID: s.ID, Name: provisionedProductName(s), State: stateOfStack(s), By: launcher(s, n)}
}

func stackFor(s fakecfn.Stack, n names, declared []*gate.Parameter, viewer person) *stack {
	out := &stack{
		launchSummary: summarize(s, n), StackName: s.Name, Created: s.Created,
		Mine: isLauncher(s, viewer), Outputs: s.Outputs, Updating: s.Status == fakecfn.UpdateInProgress,
	}
	out.Running = s.Status == fakecfn.CreateInProgress || out.Updating
	if out.Mine && isUpdatable(s) {
		out.Update = updateFields(declared, s)
	}
	secrets := waitURLs(s)
	if out.State.Kind == "bad" { // otherwise the reason is "User Initiated"
		out.Reason = redact(firstFailure(s), secrets)
	}
	for _, r := range s.Resources {
		physical := r.PhysicalID
		if slices.Contains(secrets, physical) {
			if physical = "pre-signed URL"; out.Mine && isWaiting(s) {
				out.URL = abbreviateURL(r.PhysicalID)
			}
		}
		out.Resources = append(out.Resources, resource{r.LogicalID, r.Type, physical, stateOf(r.Status)})
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, event{
			Key: e.ID, At: e.Timestamp, ID: e.LogicalID, Whole: e.PhysicalID == s.ID,
			State: stateOf(e.Status), Reason: redact(e.Reason, secrets),
		})
	}
	return out
}

// firstFailure returns the reason of the first failed resource of the last operation.
// Later failures are only cancellations caused by the first.
func firstFailure(s fakecfn.Stack) string {
	last := slices.IndexFunc(s.Events, func(e fakecfn.Event) bool { // newest first
		return e.PhysicalID == s.ID && (e.Status == fakecfn.CreateInProgress || e.Status == fakecfn.UpdateInProgress)
	})
	for _, e := range slices.Backward(s.Events[:last+1]) {
		if e.Status == fakecfn.CreateFailed || e.Status == fakecfn.UpdateFailed || e.Status == fakecfn.DeleteFailed {
			return e.LogicalID + ": " + e.Reason
		}
	}
	return s.StatusReason
}

// waitURLs returns the physical IDs of the stack's wait handles.
func waitURLs(s fakecfn.Stack) []string {
	var urls []string
	for _, r := range s.Resources {
		if r.Type == "AWS::CloudFormation::WaitConditionHandle" && r.PhysicalID != "" {
			urls = append(urls, r.PhysicalID)
		}
	}
	return urls
}

func redact(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[wait URL]")
	}
	return text
}

// abbreviateURL shows the host, the handle and the start of the signature of a
// pre-signed URL, so that the result cannot be used as one.
func abbreviateURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "…"
	}
	handle := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	signature := u.Query().Get("X-Amz-Signature")
	return u.Scheme + "://" + u.Host + "/…/" + handle + "?…X-Amz-Signature=" + signature[:min(6, len(signature))] + "…"
}

// provisionedProductName returns the name in the tag that Service Catalog sets on
// the stack, an ARN that ends in stack/NAME/pp-ID.
func provisionedProductName(s fakecfn.Stack) string {
	parts := strings.Split(tag(s, "aws:servicecatalog:provisionedProductArn"), "/")
	if len(parts) == 3 {
		return parts[1]
	}
	return s.Name
}

// launcherEmail returns the launcher's role session name, an e-mail address here.
func launcherEmail(s fakecfn.Stack) string {
	arn := tag(s, "aws:servicecatalog:provisioningPrincipalArn")
	return arn[strings.LastIndexByte(arn, '/')+1:]
}

func launcher(s fakecfn.Stack, n names) string {
	if u, ok := n.byEmail(launcherEmail(s)); ok {
		return n.user(u.ID)
	}
	return launcherEmail(s)
}

func isLauncher(s fakecfn.Stack, p person) bool {
	return p.Email != "" && launcherEmail(s) == p.Email
}

func tag(s fakecfn.Stack, key string) string {
	for _, t := range s.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}
