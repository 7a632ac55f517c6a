package hook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"countersign/deploy"
	"countersign/deploy/internal/hook"
)

type response struct {
	HookStatus, ErrorCode, Message, ClientRequestToken string
}

// roundTripper answers the download of a payload.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer answers every download with a status and a body.
func answer(status int, body string) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://example.com/"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

// payload is the document behind the payload's URL.
func payload(t *testing.T, template, previous string) roundTripper {
	t.Helper()
	body, err := json.Marshal(map[string]string{"template": template, "previousTemplate": previous})
	if err != nil {
		t.Fatal(err)
	}
	return answer(http.StatusOK, string(body))
}

// none is a transport that fails the test if it is used.
func none(t *testing.T) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was downloaded", r.URL.Host)
		return nil, errors.New("not expected")
	}
}

// event reads an event from testdata, and replaces parts of it.
func event(t *testing.T, name string, edits ...string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !bytes.Contains(text, []byte(edits[i])) {
			t.Fatalf("the event has no %q", edits[i])
		}
	}
	return []byte(strings.NewReplacer(edits...).Replace(string(text)))
}

// invoke invokes the hook. Neither its response nor its log may quote the payload's URL.
func invoke(t *testing.T, event []byte, s3 roundTripper) response {
	t.Helper()
	var log bytes.Buffer
	f := hook.New("SC-", slog.New(slog.NewJSONHandler(&log, nil)))
	f.Client = &http.Client{Transport: s3}
	out, err := f.Invoke(context.Background(), event)
	if err != nil {
		t.Fatal(err)
	}
	var r response
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	var sent struct{ ClientRequestToken string }
	if err := json.Unmarshal(event, &sent); err != nil {
		t.Fatal(err)
	}
	if r.ClientRequestToken != sent.ClientRequestToken || len(r.Message) == 0 || len(r.Message) > 4096 {
		t.Errorf("the response is %+v", r)
	}
	if text := string(out) + log.String(); strings.Contains(text, "X-Amz-") || !strings.Contains(log.String(), r.HookStatus) {
		t.Errorf("response and log: %s", text)
	}
	return r
}

// leaky adds a resource to the sample product that does not wait for the verdict.
func leaky(resources string) string {
	return strings.Replace(string(deploy.Product), "\nResources:\n", "\nResources:\n"+resources, 1)
}

const (
	early = "  Early:\n    Type: AWS::SNS::Topic\n"

	gated = `{"Resources": {
  "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
  "Request": {"Type": "Custom::ApprovalRequest", "Properties": {"ServiceToken": {"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier"}, "WaitUrl": {"Ref": "Handle"}, "Timeout": "39600"}},
  "Wait": {"Type": "AWS::CloudFormation::WaitCondition", "DependsOn": "Request", "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "39600"}},
  "Verdict": {"Type": "Custom::ApprovalVerdict", "DependsOn": "Wait", "Properties": {"ServiceToken": {"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:countersign-notifier"}, "RequestId": {"Ref": "Request"}}},
  "Topic": {"Type": "AWS::SNS::Topic", "DependsOn": "Verdict"}
}}`
)

func TestTemplateIsRefusedUnlessItsGateHolds(t *testing.T) {
	ungated := "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n"
	for name, c := range map[string]struct {
		template string
		want     []string // of the message; nil: the stack starts
	}{
		"the sample, YAML":     {string(deploy.Product), nil},
		"a gate, JSON":         {gated, nil}, // its warnings are not enough
		"no gate":              {ungated, []string{"no-gate"}},
		"a leak, YAML":         {leaky(early), []string{"leak (line ", "Early", "DependsOn: ApprovalVerdict"}},
		"a leak, JSON":         {strings.Replace(gated, `"DependsOn": "Verdict"`, `"DependsOn": "Wait"`, 1), []string{"leak (line 6, Topic)"}},
		"no verdict":           {strings.Replace(strings.Replace(gated, `"RequestId"`, `"Other"`, 1), "ApprovalVerdict", "Other", 1), []string{"no-verdict"}},
		"a macro":              {"Transform: MyMacro\n" + string(deploy.Product), []string{"unproven"}},
		"CRLF, and a leak":     {strings.ReplaceAll(leaky(early), "\n", "\r\n"), []string{"Early"}},
		"a nested stack leaks": {leaky("  Inner:\n    Type: AWS::CloudFormation::Stack\n    Properties: {TemplateURL: 'https://example.com/t.yaml'}\n"), []string{"leak (line ", "Inner"}},
	} {
		for _, e := range []string{"create", "update"} {
			t.Run(name+", "+e, func(t *testing.T) {
				r := invoke(t, event(t, e), payload(t, c.template, ungated))
				if c.want == nil {
					if r.HookStatus != "SUCCESS" || r.ErrorCode != "" {
						t.Errorf("got %+v", r)
					}
					return
				}
				if r.HookStatus != "FAILED" || r.ErrorCode != "NonCompliant" {
					t.Errorf("got %+v", r)
				}
				for _, part := range append(c.want, "SC-111122223333-pp-2mmexample", "countersign gate lint") {
					if !strings.Contains(r.Message, part) {
						t.Errorf("the message has no %q:\n%s", part, r.Message)
					}
				}
			})
		}
	}
}

// An update that keeps its template is checked too.
func TestKeptTemplateIsChecked(t *testing.T) {
	if r := invoke(t, event(t, "update"), payload(t, "", leaky(early))); r.ErrorCode != "NonCompliant" {
		t.Errorf("got %+v", r)
	}
}

func TestMessageStaysWithinTheLimit(t *testing.T) {
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, "  Early%d%s:\n    Type: AWS::SNS::Topic\n", i, strings.Repeat("x", 200))
	}
	r := invoke(t, event(t, "create"), payload(t, leaky(many.String()), ""))
	if !strings.Contains(r.Message, " more\n") || !strings.Contains(r.Message, "Early0") {
		t.Errorf("got %q", r.Message)
	}
}

// Stacks that are not launches of products start without a download.
func TestOtherStacksPass(t *testing.T) {
	const name = "stack/SC-111122223333-pp-2mmexample/"
	for what, edit := range map[string][]string{
		"another name":                 {name, "stack/database-SC-1/"},
		"another stack set":            {name, "stack/StackSet-network-5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f/"},
		"a nested stack":               {name, "stack/SC-111122223333-pp-2mmexample-Network-1ABCDEFGHIJKL/"},
		"a nested stack of stack sets": {name, "stack/StackSet-SC-111122223333-pp-2mmexample-5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f-Network-1ABCDEFGHIJKL/"},
		"a deletion":                   {"CREATE_PRE", "DELETE_PRE"},
	} {
		if r := invoke(t, event(t, "create", edit...), none(t)); r.HookStatus != "SUCCESS" {
			t.Errorf("%s: got %+v", what, r)
		}
	}
	for what, edit := range map[string]string{
		"a stack set's":                        "stack/StackSet-SC-111122223333-pp-2mmexample-5f9e0c65-1de4-11ee-9739-0a1b2c3d4e5f/",
		"with the prefix and a different name": "stack/SC-mine-1/",
	} {
		if r := invoke(t, event(t, "create", name, edit), payload(t, leaky(early), "")); r.HookStatus != "FAILED" {
			t.Errorf("a stack %s: got %+v", what, r)
		}
	}
}

// A template that cannot be checked fails, and the message says what to do. In the mode
// warn, CloudFormation still starts the stack.
func TestUncheckedTemplateFails(t *testing.T) {
	big := strings.Repeat("#", 1<<20+1)
	for what, c := range map[string]struct {
		edits []string
		s3    roundTripper
		want  string
	}{
		"no ARN":             {[]string{"arn:aws:cloudformation:", "arn:"}, none(t), "stack ARN"},
		"S3 refuses":         {nil, answer(http.StatusForbidden, "<Error/>"), "HTTP status 403"},
		"a redirect":         {nil, answer(http.StatusTemporaryRedirect, ""), "HTTP status 307"},
		"no connection":      {nil, func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") }, "no route to host"},
		"no JSON":            {nil, answer(http.StatusOK, "Resources: {}"), "not JSON"},
		"no template":        {nil, payload(t, "", ""), "no template"},
		"no such template":   {nil, payload(t, "- 1\n", ""), "cannot be read"},
		"half a template":    {nil, payload(t, gated[:200], ""), "cannot be read"},
		"a large template":   {nil, payload(t, big, ""), "1048576 bytes"},
		"a large payload":    {nil, answer(http.StatusOK, strings.Repeat(" ", 13<<20)), "bytes"},
		"an http URL":        {[]string{"https://", "http://"}, none(t), "https URL of S3"},
		"another Region":     {[]string{"s3.eu-west-1", "s3.eu-west-2"}, none(t), "https URL of S3"},
		"another host":       {[]string{"amazonaws.com/", "amazonaws.com.example.com/"}, none(t), "https URL of S3"},
		"another service":    {[]string{"s3.eu-west-1", "s3-website.eu-west-1"}, none(t), "https URL of S3"},
		"a host's beginning": {[]string{"payloads.s3", "payloadss3"}, none(t), "https URL of S3"},
		"a port":             {[]string{"amazonaws.com/", "amazonaws.com:8443/"}, none(t), "https URL of S3"},
		"a user":             {[]string{"https://", "https://user@"}, none(t), "https URL of S3"},
	} {
		t.Run(what, func(t *testing.T) {
			r := invoke(t, event(t, "create", c.edits...), c.s3)
			if r.HookStatus != "FAILED" || r.ErrorCode != "InternalFailure" || !strings.Contains(r.Message, c.want) || !strings.Contains(r.Message, "EnforceGate=warn") {
				t.Errorf("got %+v, want %q", r, c.want)
			}
		})
	}
}

func TestSlowDownloadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := invoke(t, event(t, "create"), func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		if r.ErrorCode != "InternalFailure" || !strings.Contains(r.Message, "deadline exceeded") {
			t.Errorf("got %+v", r)
		}
	})
}

// S3 has these hosts. See https://docs.aws.amazon.com/general/latest/gr/s3.html
func TestHostsOfS3(t *testing.T) {
	const arn, host = "arn:aws:cloudformation:eu-west-1:", "example-hook-payloads.s3.eu-west-1.amazonaws.com"
	for _, c := range [][2]string{
		{arn, "s3.eu-west-1.amazonaws.com"},
		{arn, "bucket.s3-eu-west-1.amazonaws.com"},
		{arn, "bucket.s3.dualstack.eu-west-1.amazonaws.com"},
		{"arn:aws:cloudformation:us-east-1:", "bucket.s3.amazonaws.com"},
		{"arn:aws-us-gov:cloudformation:us-gov-west-1:", "s3.us-gov-west-1.amazonaws.com"},
		{"arn:aws-cn:cloudformation:cn-north-1:", "bucket.s3.cn-north-1.amazonaws.com.cn"},
		{"arn:aws-eusc:cloudformation:eusc-de-east-1:", "bucket.s3.eusc-de-east-1.amazonaws.eu"},
	} {
		if r := invoke(t, event(t, "create", arn, c[0], host, c[1]), payload(t, gated, "")); r.HookStatus != "SUCCESS" {
			t.Errorf("%s: got %+v", c[1], r)
		}
	}
}

func TestEventThatIsNotJSONIsAnError(t *testing.T) {
	if _, err := hook.New("SC-", slog.New(slog.DiscardHandler)).Invoke(context.Background(), []byte("no")); err == nil {
		t.Error("no error")
	}
}
