package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"countersign/deploy/internal/sandbox"
	"countersign/handle"
	"countersign/handle/dynamo"
)

const (
	installedStack = "countersign-install"

	// maxInstall is how long it may take from a release's archive to the first approval.
	maxInstall = 2 * time.Minute
)

// From a release's archive, one command leads to the first approval.
func TestInstallFromRelease(t *testing.T) {
	m := startMiniStack(t)
	archive := releaseArchive(t)
	d := &deployment{
		ministack: m, name: installedStack, aws: awsConfig(m.origin),
		mailbox: &mailbox{}, people: &http.Client{Transport: resolver{m.origin}, Timeout: 30 * time.Second},
	}
	slackServer := httptest.NewUnstartedServer(nil) // started once the app exists
	t.Cleanup(slackServer.Close)
	origin := "http://" + slackServer.Listener.Addr().String()

	start := time.Now()
	folder := unpack(t, archive)
	i := startInstall(t, folder, "--set", "Name="+installedStack, "--set", "SlackApi="+origin+"/api/", "--set", "SlackApp="+sandbox.AppID,
		"--set", "Architecture=x86_64", "--set", "OrganizationId=o-example123")
	i.answer("Slack workspace", "https://app.slack.com/client/"+sandbox.Team+"/C0")
	i.answer("Slack channel", "Approvals!")
	i.expect("must be a channel ID")
	i.answer("Slack channel", sandbox.Channel)
	i.answer("Who may approve", sandbox.Approvers)
	i.expect("Deploying the stack")
	i.interrupt()

	// The second run finds the parameters in the stack, and asks for none.
	i = startInstall(t, folder)
	manifest := i.manifest()
	if said := i.out.since(0); strings.Contains(said, "Slack channel") {
		t.Errorf("after the interruption, it asks again:\n%s", said)
	}

	d.outputs = d.stackOutputs(t, installedStack)
	if manifest != d.outputs["SlackManifest"] {
		t.Errorf("the link has the manifest %s, not the stack's", manifest)
	}
	d.calls, d.cloudFormation, d.answers = newCallCounter(t, m.origin), newCFNProxy(t, d.aws), newAnswerServer(t)
	for _, function := range []string{d.outputs["BotFunctionName"], d.outputs["NotifierFunctionName"]} {
		d.configure(t, function, map[string]string{
			"COUNTERSIGN_ORIGINS":             m.origin + "/_ministack/," + d.answers.origin, // MiniStack's wait URLs are not AWS's
			"AWS_ENDPOINT_URL_DYNAMODB":       d.calls.origin,
			"AWS_ENDPOINT_URL_CLOUDFORMATION": d.cloudFormation.origin,
		})
	}
	d.slack = newSlackApp(t, manifest, origin, d.people, d.fault)
	slackServer.Config.Handler = d.slack
	slackServer.Start()

	i.answer("Bot token", "xoxb-wrong")
	i.expect("the token is refused by Slack (invalid_auth)")
	i.answer("Bot token", botToken)
	i.answer("Signing secret", signingSecret)
	i.expect("are stored")
	i.end()
	i.checkNoSecrets()

	d.store = dynamo.New(d.aws, d.aws.HTTPClient.(*http.Client), d.outputs["TableName"])
	l := d.launch(t, sandbox.Channel, d.sample(t), purposeParameter)
	l.expectRequest()
	l.click(sandbox.Ann, handle.Approve)
	l.expectState(handle.Approved)
	took := time.Since(start)
	t.Logf("from the release's archive to the first approval: %v", took.Round(time.Second))
	if took > maxInstall {
		t.Errorf("it took %v, more than %v", took, maxInstall)
	}
	l.expectStackStatus("CREATE_COMPLETE")

	d.checkBucket(t)
	d.installAgain(t, folder)
	installAfterFailure(t, folder, origin)
	d.uninstall(t, folder, l)
}

// releaseArchive builds a release for this machine and returns the path of its archive.
func releaseArchive(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(ministack.home, "release")
	said, err := command(t, "go", "run", "./deploy/internal/build", "release", folder, "1.2.3", "--platform", runtime.GOOS+"/"+runtime.GOARCH)
	if err != nil {
		t.Fatalf("couldn't build a release: %v:\n%s", err, said)
	}
	return filepath.Join(folder, "countersign_1.2.3_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz")
}

func unpack(t *testing.T, archive string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", archive, "-C", folder, "--strip-components=1").CombinedOutput(); err != nil {
		t.Fatalf("couldn't unpack the release: %v: %s", err, out)
	}
	return folder
}

// installation is a running countersign install.
type installation struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.Writer
	out  *log
	read int // how much of the output has been expected
}

func startInstall(t *testing.T, folder string, args ...string) *installation {
	t.Helper()
	i := &installation{t: t, out: &log{}}
	i.cmd = exec.CommandContext(t.Context(), filepath.Join(folder, "countersign"), append([]string{"install", "--stack", installedStack}, args...)...)
	i.cmd.Env = environment(ministack.home, "AWS_ENDPOINT_URL="+ministack.origin)
	i.cmd.Stdout, i.cmd.Stderr, i.cmd.WaitDelay = i.out, i.out, 5*time.Second
	in, err := i.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	i.in = in
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("countersign install:\n%s", i.out.since(0))
		}
	})
	return i
}

// expect waits until the command has printed text after what was expected before.
func (i *installation) expect(text string) {
	i.t.Helper()
	eventually(i.t, maxInstall, "countersign install does not say "+text, func(context.Context) error {
		said := i.out.since(i.read)
		at := strings.Index(said, text)
		if at < 0 {
			return errors.New("not yet")
		}
		i.read += at + len(text)
		return nil
	})
}

func (i *installation) answer(question, text string) {
	i.t.Helper()
	i.expect(question)
	if _, err := fmt.Fprintln(i.in, text); err != nil {
		i.t.Fatal(err)
	}
}

var appLink = regexp.MustCompile(`https://api\.slack\.com/apps\?new_app=1&manifest_json=(\S+)`)

// manifest waits for the link that creates the Slack app, and returns its manifest.
func (i *installation) manifest() string {
	i.t.Helper()
	i.expect("Create the Slack app with this link")
	i.expect("\n\n")
	i.expect("\n")
	link := appLink.FindStringSubmatch(i.out.since(0))
	if link == nil {
		i.t.Fatal("there is no link to create the Slack app")
	}
	manifest, err := url.QueryUnescape(link[1])
	if err != nil {
		i.t.Fatal(err)
	}
	return manifest
}

// interrupt ends the command as Ctrl-C does.
func (i *installation) interrupt() {
	i.t.Helper()
	if err := i.cmd.Process.Signal(os.Interrupt); err != nil {
		i.t.Fatal(err)
	}
	if err := i.cmd.Wait(); err == nil {
		i.t.Error("an interrupted installation ends with status 0")
	}
}

// end waits until the command has ended. The doctor is its last part. It cannot reach
// MiniStack's API by its name on AWS, so its exit status is not checked.
func (i *installation) end() {
	i.t.Helper()
	i.expect("Checking the deployment")
	err := i.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		i.t.Fatalf("countersign install: %v", err)
	}
	for _, found := range []string{"2 people can approve", "well-formed: 1 signing secret, 1 mail key"} {
		if !strings.Contains(i.out.since(i.read), found) {
			i.t.Errorf("the doctor does not say %q", found)
		}
	}
}

// checkNoSecrets checks that nothing secret was printed.
func (i *installation) checkNoSecrets() {
	i.t.Helper()
	for _, secret := range []string{botToken, signingSecret, "xoxb-wrong"} {
		if strings.Contains(i.out.since(0), secret) {
			i.t.Errorf("countersign install prints %s", secret)
		}
	}
}

// checkBucket checks that the bucket is private and encrypted.
func (d *deployment) checkBucket(t *testing.T) {
	t.Helper()
	client, bucket := awss3.NewFromConfig(d.aws), aws.String("countersign-"+account+"-"+region)
	block, err := client.GetPublicAccessBlock(t.Context(), &awss3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if c := block.PublicAccessBlockConfiguration; !*c.BlockPublicAcls || !*c.BlockPublicPolicy || !*c.IgnorePublicAcls || !*c.RestrictPublicBuckets {
		t.Errorf("the bucket allows public access: %+v", c)
	}
	if _, err := client.GetBucketEncryption(t.Context(), &awss3.GetBucketEncryptionInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
}

// installAgain runs the installation again: it asks nothing and changes nothing.
func (d *deployment) installAgain(t *testing.T, folder string) {
	t.Helper()
	for _, args := range [][]string{{"install", "--plan"}, {"install", "--yes"}, {"upgrade", "--yes"}} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "countersign"), append(args, "--stack", installedStack)...)
		cmd.Env = environment(ministack.home, "AWS_ENDPOINT_URL="+ministack.origin)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		want, unwanted := "is up to date", "Uploading"
		if args[1] == "--plan" {
			want, unwanted = "update the stack "+installedStack, "create the"
		}
		if !strings.Contains(string(out), want) || strings.Contains(string(out), unwanted) {
			t.Errorf("countersign %s:\n%s", strings.Join(args, " "), out)
		}
	}
}

// installAfterFailure installs a second deployment. The first attempt fails, because the
// template has a resource that fails. The next one deletes what that left behind, with
// consent by flag, and keeps the parameters.
func installAfterFailure(t *testing.T, folder, slack string) {
	t.Helper()
	install := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "countersign"), append([]string{"install", "--yes", "--stack", "countersign-second"}, args...)...)
		cmd.Env = environment(ministack.home, "AWS_ENDPOINT_URL="+ministack.origin)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("an installation without Slack's credentials succeeded:\n%s", out)
		}
		return string(out)
	}
	expect := func(said string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(said, w) {
				t.Fatalf("countersign install does not say %q:\n%s", w, said)
			}
		}
	}
	template := filepath.Join(folder, "template.yaml")
	good, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(good), "\nResources:\n", `
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Fails: {Type: AWS::CloudFormation::WaitCondition, DependsOn: Table, Properties: {Handle: !Ref Handle, Timeout: '1'}}
`, 1)
	if err := os.WriteFile(template, []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(install("--workspace", sandbox.Team, "--channel", sandbox.Channel, "--approvers", sandbox.Approvers, "--set", "SlackApi="+slack+"/api/",
		"--set", "Architecture=x86_64", "--set", "Name=countersign-second"), "ended in ROLLBACK_COMPLETE", "Fails: ")
	if err := os.WriteFile(template, good, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(install(), "is in ROLLBACK_COMPLETE: delete it with --delete-failed")
	expect(install("--delete-failed"), "set SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET")
	tables, err := dynamodb.NewFromConfig(awsConfig(ministack.origin)).ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if kept := slices.DeleteFunc(tables.TableNames, func(name string) bool { return !strings.HasPrefix(name, "countersign-second-") }); len(kept) != 1 {
		t.Errorf("the tables of the second deployment are %v", kept)
	}
}

// uninstall deletes the stack. The table stays.
func (d *deployment) uninstall(t *testing.T, folder string, l *launch) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "countersign"), "uninstall", "--yes", "--stack", installedStack)
	cmd.Env = environment(ministack.home, "AWS_ENDPOINT_URL="+ministack.origin)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the table "+d.outputs["TableName"]) {
		t.Errorf("countersign uninstall: %v\n%s", err, out)
	}
	if _, err := l.request(t.Context()); err != nil {
		t.Errorf("the table does not have the request any more: %v", err)
	}
}
