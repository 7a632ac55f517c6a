package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"countersign/deploy/gate"
	"countersign/deploy/internal/sandbox"
)

// product describes the template of a launch.
type product struct {
	gates          int
	verdict        bool
	topic          bool // the ServiceToken is an SNS topic
	approvals      int
	approvers      []string // nil: the defaults
	timeout        int      // seconds
	fails          bool     // the resource behind the gate fails
	deletion       string   // DeletionPolicy of the request resource
	asks           bool     // the gate passes Parameters and Template, so that its updates ask
	edition        int      // of the template: what the queue is
	passedEdition  int      // what the gate's Template says it is
	borrowsRequest bool     // the verdict names another stack's approved request, if there is one
	borrowedID     string   // ID of that request
}

// drawProduct derives a product from two random numbers.
func drawProduct(a, b int) product {
	p := product{gates: 1, verdict: a%4 != 0, topic: a/4%4 == 0, approvals: 1, timeout: 39600, fails: b%8 == 0}
	p.asks = a/122880%4 != 0
	p.deletion = []string{"RetainExceptOnCreate", "Delete", "Retain"}[b/8%3]
	if a/16%5 == 0 {
		p.gates = 2
	}
	switch a / 80 % 8 {
	case 0, 1:
		p.approvals = 2
	case 2:
		p.approvals = 3
	}
	if a/640%4 == 0 {
		p.timeout = 1800
	}
	p.borrowsRequest = b/120%4 == 0
	// Some lists name people who may not approve.
	switch b / 24 % 5 {
	case 0:
		p.approvers = []string{sandbox.Ann, sandbox.Bob, sandbox.Rita, sandbox.Gwen, sandbox.Olga}
	case 1:
		p.approvers = []string{sandbox.Approvers, sandbox.Rita, sandbox.Gwen}
	case 2:
		p.approvers = []string{sandbox.Rita, sandbox.Ann}
	case 3:
		if b/600%3 == 0 {
			p.approvers = []string{} // no approvers
		}
	}
	return p
}

// inGrid writes the approvers as the author of a template in an Enterprise Grid
// might, with either ID, and adds people of the sister workspace.
func (p *product) inGrid(n int) {
	if len(p.approvers) == 0 {
		return
	}
	approvers := slices.Concat([]string{sandbox.Sam, sandbox.Tess}[:n/3%3], p.approvers)
	for i, id := range approvers {
		if strings.HasPrefix(id, "U") && (n/9>>i)%2 == 0 {
			approvers[i] = sandbox.OrgID(id)
		}
	}
	p.approvers = approvers
}

// hostileText is something a requester may type.
const hostileText = `<!channel> <@U0ANN> *urgent* & <https://example.com|Approve> `

// text is the template.
func (p product) text() string {
	var b strings.Builder
	b.WriteString("AWSTemplateFormatVersion: '2010-09-09'\nDescription: 'A <!channel> queue'\nParameters:\n  UserEmail: {Type: String}\n" +
		"  Size: {Type: String, Default: '1'}\n  Note: {Type: String, Default: none}\nResources:\n")
	token := "arn:aws:lambda:" + sandbox.Region + ":" + sandbox.Account + ":function:countersign-notifier"
	if p.topic {
		token = "arn:aws:sns:" + sandbox.Region + ":" + sandbox.Account + ":countersign-requests"
	}
	var behind []string
	for i := range p.gates {
		fmt.Fprintf(&b, "  Handle%d: {Type: AWS::CloudFormation::WaitConditionHandle}\n", i)
		fmt.Fprintf(&b, "  Request%d:\n    Type: Custom::ApprovalRequest\n    DeletionPolicy: %s\n    Properties:\n", i, p.deletion)
		fmt.Fprintf(&b, "      ServiceToken: %s\n      WaitUrl: !Ref Handle%d\n      EmailID: !Ref UserEmail\n", token, i)
		fmt.Fprintf(&b, "      Purpose: '%s'\n      Timeout: '%d'\n      Approvals: '%d'\n", hostileText, p.timeout, p.approvals)
		if p.approvers != nil {
			fmt.Fprintf(&b, "      Approvers: [%s]\n", strings.Join(p.approvers, ", "))
		}
		if p.asks { // Note is not passed: its changes bypass the gate
			fmt.Fprintf(&b, "      ServiceTimeout: '3600'\n      Parameters: {UserEmail: !Ref UserEmail, Size: !Ref Size}\n      Template: edition %d\n", p.passedEdition)
		}
		fmt.Fprintf(&b, "  Wait%d:\n    Type: AWS::CloudFormation::WaitCondition\n    DependsOn: Request%d\n    Properties: {Handle: !Ref Handle%d, Timeout: '%d'}\n", i, i, i, p.timeout)
		last := fmt.Sprintf("Wait%d", i)
		if p.verdict {
			last = fmt.Sprintf("Verdict%d", i)
			id := fmt.Sprintf("!Ref Request%d", i)
			if p.borrowedID != "" {
				id = p.borrowedID
			}
			fmt.Fprintf(&b, "  %s:\n    Type: Custom::ApprovalVerdict\n    DependsOn: Wait%d\n    Properties: {ServiceToken: %s, RequestId: %s}\n", last, i, token, id)
		}
		behind = append(behind, last)
	}
	fmt.Fprintf(&b, "  %s:\n    Type: AWS::SQS::Queue\n    DependsOn: [%s]\n    Properties: {Size: !Ref Size, Note: !Ref Note, Edition: '%d'}\n", behindGate, strings.Join(behind, ", "), p.edition)
	return b.String()
}

const behindGate = "Queue"

var templates sync.Map // by text; parsing dominates the cost of a launch

func (p product) template() (*gate.Template, error) {
	text := p.text()
	if t, ok := templates.Load(text); ok {
		return t.(*gate.Template), nil
	}
	t, err := gate.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("couldn't parse the template: %w", err)
	}
	templates.Store(text, t)
	return t, nil
}
