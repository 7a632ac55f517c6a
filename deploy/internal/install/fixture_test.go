package install

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/deploy/internal/testtools"
)

const (
	account  = "111122223333"
	identity = "arn:aws:sts::111122223333:assumed-role/Admin/ann@example.com"
)

// fakeAWS answers the calls of a test in AWS's protocols, and fails the test for every
// other call. Calls are named service:Action, for S3 s3:METHOD /path?query.
type fakeAWS struct {
	t       *testing.T
	answers map[string][]answer // in their order; the last one repeats

	mu     sync.Mutex
	calls  []string
	bodies map[string]string // of the last call by name
}

type answer struct {
	status int
	header http.Header
	body   string
}

// newAWS starts a fake AWS in which the identity is known.
func newAWS(t *testing.T, answers map[string][]answer) *fakeAWS {
	t.Helper()
	f := &fakeAWS{t: t, answers: answers, bodies: map[string]string{}}
	f.answers["sts:GetCallerIdentity"] = []answer{{body: `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>` + identity + `</Arn><UserId>x</UserId><Account>` + account + `</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return f
}

func (f *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	name := callName(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	f.bodies[name] = string(body)
	list := f.answers[name]
	if len(list) == 0 {
		f.t.Errorf("unexpected call %s", name)
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	a := list[0]
	if len(list) > 1 {
		f.answers[name] = list[1:]
	}
	for key, values := range a.header {
		w.Header()[key] = values
	}
	if strings.HasPrefix(name, "dynamodb:") {
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(a.body))))
	}
	w.WriteHeader(max(a.status, 200))
	_, _ = io.WriteString(w, a.body)
}

func callName(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		service, action, _ := strings.Cut(target, ".")
		service, _, _ = strings.Cut(strings.ToLower(service), "_")
		return service + ":" + action
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" && r.ParseForm() == nil {
		service := "cloudformation"
		if strings.Contains(r.Header.Get("Authorization"), "/sts/") {
			service = "sts"
		}
		return service + ":" + r.Form.Get("Action")
	}
	query := r.URL.Query()
	query.Del("x-id")
	name := "s3:" + r.Method + " " + r.URL.Path
	if len(query) > 0 {
		name += "?" + strings.TrimSuffix(query.Encode(), "=")
	}
	return name
}

// changes returns the calls that were made, except for those that only read.
func (f *fakeAWS) changes() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range f.calls {
		_, action, _ := strings.Cut(name, ":")
		if !slices.ContainsFunc([]string{"Get", "Describe", "HEAD ", "Scan"}, func(p string) bool { return strings.HasPrefix(action, p) }) {
			list = append(list, name)
		}
	}
	return list
}

// noStack is the answer for a stack that does not exist.
var noStack = answer{status: 400, body: `<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id countersign does not exist</Message></Error></ErrorResponse>`}

const stackID = "arn:aws:cloudformation:eu-west-1:111122223333:stack/countersign/1"

// stackIn is the answer for the stack with parameters, as pairs of name and value.
func stackIn(status string, parameters ...string) answer {
	var list strings.Builder
	for i := 0; i < len(parameters); i += 2 {
		fmt.Fprintf(&list, "<member><ParameterKey>%s</ParameterKey><ParameterValue>%s</ParameterValue></member>", parameters[i], parameters[i+1])
	}
	return answer{body: `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>countersign</StackName><StackId>` + stackID +
		`</StackId><StackStatus>` + status + `</StackStatus><Parameters>` + list.String() + `</Parameters></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`}
}

// releaseFolder is an unpacked release whose zips need no build.
func releaseFolder(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testtools.Root(t), "deploy", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder, template := t.TempDir(), string(content)
	for _, name := range []string{"bot", "notifier", "hook"} {
		zip := []byte("zip of " + name)
		template = strings.Replace(template, "CodeUri: "+name+"/", fmt.Sprintf("CodeUri: {Bucket: !Ref CodeBucket, Key: countersign/%s-arm64-%x.zip}", name, sha256.Sum256(zip)), 1)
		write(t, filepath.Join(folder, name+"-arm64.zip"), zip)
	}
	template = strings.Replace(template, "\nParameters:\n", "\nParameters:\n  CodeBucket: {Type: String}\n", 1)
	write(t, filepath.Join(folder, "template.yaml"), []byte(template))
	return folder
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// newTest returns an installer whose prompt reads lines, and what it prints. Without
// lines it is silent.
func newTest(t *testing.T, lines ...string) (*installer, *bytes.Buffer) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := io.WriteString(w, strings.Join(append(lines, ""), "\n")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := &bytes.Buffer{}
	p := newPrompt(out, len(lines) == 0)
	p.readFrom(r)
	i, err := newInstaller(t.Context(), flags{Stack: "countersign"}, source{Release: releaseFolder(t)}, p)
	if err != nil {
		t.Fatal(err)
	}
	return i, out
}
