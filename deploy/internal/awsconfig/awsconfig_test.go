package awsconfig_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"countersign/deploy/internal/awsconfig"
)

// only sets an environment without AWS settings other than the test's.
func only(t *testing.T, env map[string]string) {
	t.Helper()
	home := t.TempDir()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// tables lists the tables of the DynamoDB at origin.
func tables(t *testing.T, account awsconfig.Account, origin string) ([]string, error) {
	t.Helper()
	out, err := dynamodb.NewFromConfig(account.Config, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(origin) }).
		ListTables(t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		return nil, err
	}
	return out.TableNames, nil
}

func serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = w.Write([]byte(`{"TableNames":["countersign"]}`))
}

// Behind a TLS-inspecting proxy, AWS_CA_BUNDLE holds its certificate authority.
func TestCABundleIsUsed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(serve))
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{bundle: true, "": false} {
		only(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": name})
		account, err := awsconfig.Open(t.Context(), "", "", nil)
		if err != nil {
			t.Fatalf("with the bundle %q: %v", name, err)
		}
		if list, err := tables(t, account, server.URL); (err == nil) != good || good && len(list) != 1 {
			t.Errorf("with the bundle %q: %v, %v", name, list, err)
		}
	}
}

func TestFlagsOverrideEnvironment(t *testing.T) {
	only(t, map[string]string{"AWS_REGION": "eu-west-1"})
	config := "[profile other]\nregion = eu-north-1\n"
	if err := os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ region, profile, want string }{
		{"", "", "eu-west-1"},
		{"us-east-1", "", "us-east-1"},
		{"us-east-1", "other", "us-east-1"},
	} {
		account, err := awsconfig.Open(t.Context(), test.region, test.profile, nil)
		if err != nil || account.Config.Region != test.want {
			t.Errorf("region %q, profile %q: %q, %v", test.region, test.profile, account.Config.Region, err)
		}
	}
	t.Setenv("AWS_REGION", "")
	if account, err := awsconfig.Open(t.Context(), "", "other", nil); err != nil || account.Config.Region != "eu-north-1" {
		t.Errorf("the profile's region: %q, %v", account.Config.Region, err)
	}
	if _, err := awsconfig.Open(t.Context(), "", "", nil); err == nil || !strings.Contains(err.Error(), "use --region") {
		t.Errorf("without a region: %v", err)
	}
	if _, err := awsconfig.Open(t.Context(), "", "none", nil); err == nil {
		t.Error("a missing profile is accepted")
	}
}

type counting struct {
	base http.RoundTripper
	n    *atomic.Int64
}

func (c counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.base.RoundTrip(req)
}

// The wrapper sees every call, and redirects are not followed: a signed request goes
// only to the host it was signed for.
func TestTransportIsWrappedAndFollowsNoRedirects(t *testing.T) {
	var elsewhere, seen atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		serve(w, r)
	}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	only(t, map[string]string{"AWS_REGION": "eu-west-1"})
	account, err := awsconfig.Open(t.Context(), "", "", func(base http.RoundTripper) http.RoundTripper { return counting{base, &seen} })
	if err != nil {
		t.Fatal(err)
	}
	if list, err := tables(t, account, server.URL); err == nil {
		t.Errorf("followed a redirect: %v", list)
	}
	if elsewhere.Load() != 0 || seen.Load() == 0 {
		t.Errorf("%d calls to the redirect target, %d seen by the wrapper", elsewhere.Load(), seen.Load())
	}
}

func TestMissingCredentialsSayWhatToDo(t *testing.T) {
	only(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
	account, err := awsconfig.Open(t.Context(), "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := account.CheckCredentials(t.Context()); err == nil || !strings.Contains(err.Error(), "aws sso login") {
		t.Errorf("got %v", err)
	}
	only(t, map[string]string{"AWS_REGION": "eu-west-1"})
	if account, err = awsconfig.Open(t.Context(), "", "", nil); err != nil {
		t.Fatal(err)
	}
	if err := account.CheckCredentials(t.Context()); err != nil {
		t.Errorf("with credentials: %v", err)
	}
}
