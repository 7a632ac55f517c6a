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

// only is an environment that knows of no AWS but what the test says.
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

// tables lists the tables of an AWS that is at origin.
func tables(t *testing.T, here awsconfig.Account, origin string) ([]string, error) {
	t.Helper()
	out, err := dynamodb.NewFromConfig(here.Config, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(origin) }).
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

// Where a proxy opens TLS, people have its authority in AWS_CA_BUNDLE.
func TestCABundle(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(serve))
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{bundle: true, "": false} {
		only(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": name})
		here, err := awsconfig.Open(t.Context(), "", "", nil)
		if err != nil {
			t.Fatalf("with the bundle %q: %v", name, err)
		}
		if list, err := tables(t, here, server.URL); (err == nil) != good || good && len(list) != 1 {
			t.Errorf("with the bundle %q: %v, %v", name, list, err)
		}
	}
}

func TestWhatIsGivenComesFirst(t *testing.T) {
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
		here, err := awsconfig.Open(t.Context(), test.region, test.profile, nil)
		if err != nil || here.Config.Region != test.want {
			t.Errorf("region %q, profile %q: %q, %v", test.region, test.profile, here.Config.Region, err)
		}
	}
	t.Setenv("AWS_REGION", "")
	if here, err := awsconfig.Open(t.Context(), "", "other", nil); err != nil || here.Config.Region != "eu-north-1" {
		t.Errorf("the profile's region: %q, %v", here.Config.Region, err)
	}
	if _, err := awsconfig.Open(t.Context(), "", "", nil); err == nil || !strings.Contains(err.Error(), "use --region") {
		t.Errorf("without a region: %v", err)
	}
	if _, err := awsconfig.Open(t.Context(), "", "none", nil); err == nil {
		t.Error("a profile that is not there is taken")
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

// Whoever watches sees every call, and no redirect is followed: what is signed
// goes where it was meant to go.
func TestWatch(t *testing.T) {
	var elsewhere, seen atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		serve(w, r)
	}))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	only(t, map[string]string{"AWS_REGION": "eu-west-1"})
	here, err := awsconfig.Open(t.Context(), "", "", func(base http.RoundTripper) http.RoundTripper { return counting{base, &seen} })
	if err != nil {
		t.Fatal(err)
	}
	if list, err := tables(t, here, server.URL); err == nil {
		t.Errorf("a redirect leads to %v", list)
	}
	if elsewhere.Load() != 0 || seen.Load() == 0 {
		t.Errorf("%d calls went elsewhere, %d were seen", elsewhere.Load(), seen.Load())
	}
}
