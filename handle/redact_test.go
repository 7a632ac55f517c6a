package handle_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/handle"
)

// lower is a secret part that no rule knows by itself.
const lower = "q7w8e9r0t1y2u3i4o5p6"

// secrets are values that their form gives away. The part after the last @@ must
// never be shown.
var secrets = []string{
	"****",
	"https://hooks.slack.com/services/T00000000/B00000000/" + lower,
	"https://hooks.slack.com/triggers/T0/123/" + lower,
	"https://example.webhook.office.com/webhookb2/11111111-2222-3333-4444-555566667777@88888888-9999-aaaa-bbbb-ccccddddeeee/IncomingWebhook/0123456789abcdef/" + lower,
	"https://hooks.chime.aws/incomingwebhooks/11111111-2222-3333-4444-555566667777?token=" + lower,
	"https://discord.com/api/webhooks/123456789/" + lower,
	"xapp-1-A0EXAMPLE-1234567890-" + lower,
	"xoxb-1234567890-" + lower,
	"xoxe.xoxp-1-" + lower,
	"github_pat_11EXAMPLE0" + lower,
	"ghp_" + lower + lower,
	"ghr_" + lower + lower,
	"glpat-" + lower,
	"npm_" + lower + lower,
	"AIza" + lower + lower,
	"rk_live_" + lower,
	"sk_live_" + lower,
	"sk-proj-" + lower,
	"SG." + lower + "." + lower,
	"https://account.blob.core.windows.net/c/f?sv=2024-01-01&se=2026-01-01&sig=" + lower + "%3D",
	"https://bucket.s3.amazonaws.com/k?X-Amz-Credential=" + lower + "&X-Amz-Date=20260101T000000Z&x-amz-signature=" + lower,
	"https://bucket.s3.amazonaws.com/k?X-Amz-Security-Token=" + lower + "&Signature=" + lower,
	"https://bucket.s3.amazonaws.com/k?X-Amz-Signature%3D" + lower,
	"DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + lower + "==",
	"Server=db;User Id=sa;Password=" + lower,
	"postgres://admin:" + lower + "@db.example.com/orders",
	"Authorization: Bearer " + lower + lower,
	"Basic YWRtaW46cTd3OGU5cjB0MXkydTNpNG81cDY=", // admin:q7w8…
	"AKIAIOSFODNN7EXAMPLE",
	"ASIAIOSFODNN7EXAMPLE",
	"IQoJb3JpZ2luX2VjEXAMPLE" + lower + lower,
	"FwoGZXIvYXdzEXAMPLE" + lower + lower,
	"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + lower,
	"-----BEGIN RSA PRIVATE KEY-----\n" + lower + "\n-----END RSA PRIVATE KEY-----",
	"-----BEGIN PRIVATE KEY-----" + lower,
	"https://example.com/login?user=x&access_token=" + lower,
	"https://example.com/login?api_key=" + lower,
	"https://chat.googleapis.com/v1/spaces/AAAA/messages?key=" + lower + "&token=" + lower,
	"https://function.azurewebsites.net/api/x?code=" + lower,
	"https://hooks.zapier.com/hooks/catch/123456/" + lower,
	"https://mattermost.example.com/hooks/" + lower + lower,
	"https://events.pagerduty.com/integration/" + lower + lower + "/enqueue",
	"sk-" + lower + lower,
	"hvs." + lower + lower,
	"dckr_pat_" + lower,
	"shpat_0123456789abcdef0123456789abcdef",
	"dapi0123456789abcdef0123456789abcdef",
	"ya29." + lower,
	"AGE-SECRET-KEY-1QQQQQQQQQQ",
	"https://api.telegram.org/bot123456789:AA" + lower + lower + "/sendMessage",
	"123456789:AA" + lower + lower,
	"https://endpoint1.collection.us2.sumologic.com/receiver/v1/http/" + lower + "==",
	"https://alert.victorops.com/integrations/generic/20131114/alert/" + lower + "/key",
	"https://api.opsgenie.com/v1/json/cloudwatch?apiKey=" + lower,
	"glsa_" + lower + "_12345678",
	"lin_api_" + lower + lower,
	"sq0csp-" + lower,
	"NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ1",
	"PMAK-0123456789abcdef01234567-0123456789abcdef0123456789abcdef01",
	"ATATT3xFfGF0" + lower,
}

// secretNames are names whose value is hidden whatever it is.
var secretNames = []string{
	"Password", "MasterUserPassword", "dbpassword", "DB_PASSWORD", "DbPwd", "MasterPwd", "WifiPSK", "VpnPsk", "PreSharedKey", "Tunnel1PreSharedKey",
	"EncryptionKey", "DataEncryptionKeyBase64", "ApiKey", "APIKey", "StripeApiKeyValue", "PrivateKey", "SSHPrivateKey", "SigningKey", "LicenseKey", "LicenceKey",
	"SecretAccessKey", "AccessKeyId", "GitHubToken", "TokenValue", "ClientSecret", "SlackSigningSecret", "ConnectionString", "DbConnStr", "Passphrase", "AdminPass",
	"UserPasscode", "SlackWebhookURL", "TeamsWebhookUri", "webhook", "DbCredentials", "StorageAccountKey",
	"VpnPSK1", "DbPwd2", "AdminPW", "DoorPIN", "GitHubPAT", "HmacKey", "PasswordSalt", "EncryptionKeyValue", "DBPASSWORD", "apikey", "presharedkey", "VaultSecretId",
	"TunnelPreSharedKey1", "PreSharedKey2", "EncryptionKey2", "AesKey", "SymmetricKey", "HttpBasicAuth", "OTP", "PagerDutyIntegrationKey",
}

var plain = []handle.Field{
	{Name: "TokenBucketSize", Value: "100"},
	{Name: "TokenBucketRate", Value: "5"},
	{Name: "TokenBucketCapacity", Value: "100"},
	{Name: "TokenBucketTokensPerSecond", Value: "100"},
	{Name: "MaxTokens", Value: "4096"},
	{Name: "MaxOutputTokens", Value: "4096"},
	{Name: "TokenizerModel", Value: "small"},
	{Name: "TokenUrl", Value: "https://idp.example.com/oauth2/token"},
	{Name: "TokenSigningAlgorithm", Value: "RS256"},
	{Name: "MaxPasswordAge", Value: "90"},
	{Name: "PasswordReusePrevention", Value: "24"},
	{Name: "SecretVersionStage", Value: "AWSCURRENT"},
	{Name: "SecretsPath", Value: "/orders/database"},
	{Name: "EncryptionKey", Value: "alias/orders"},
	{Name: "SecretKmsKey", Value: "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/11111111-2222-3333-4444-555566667777"},
	{Name: "PasswordLength", Value: "32"},
	{Name: "MinimumPasswordLength", Value: "14"},
	{Name: "SecretArn", Value: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:orders-AbCdEf"},
	{Name: "SecretName", Value: "orders/database"},
	{Name: "TokenExpiration", Value: "3600"},
	{Name: "SessionTokenDuration", Value: "3600"},
	{Name: "TokenTimeout", Value: "3600"},
	{Name: "PasswordParameter", Value: "/orders/database/password"},
	{Name: "SecretPrefix", Value: "orders/"},
	{Name: "CredentialProvider", Value: "environment"},
	{Name: "RequirePassword", Value: "true"},
	{Name: "SourceVersion", Value: "git-2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
	{Name: "Lookup", Value: "https://example.com/search?keyword=orders&page=2"},
	{Name: "CommitHash", Value: "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
	{Name: "Digest", Value: "0B9C2625DC21EF05F6AD4DDF47C5F203837AA32C"},
	{Name: "BypassCache", Value: "yes"},
	{Name: "Bypass", Value: "north"},
	{Name: "Compass", Value: "north"},
	{Name: "EncryptionKeyId", Value: "11111111-2222-3333-4444-555566667777"},
	{Name: "KmsKeyArn", Value: "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555566667777"},
	{Name: "KeyPairName", Value: "ops"},
	{Name: "PublicKey", Value: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ops"},
	{Name: "PartitionKey", Value: "orderId"},
	{Name: "WebhookEnabled", Value: "true"},
	{Name: "Purpose", Value: "Basic authentication for the shop's telecommunications"},
	{Name: "Image", Value: "111122223333.dkr.ecr.eu-central-1.amazonaws.com/orders:1.4.2"},
	{Name: "Template", Value: "https://bucket.s3.amazonaws.com/template.yaml"},
	{Name: "Path", Value: "a/path/that/is/forty/characters/in/total"},
	{Name: "Config", Value: "config=large&design=new"},
	{Name: "Email", Value: "rita@example.com"},
}

func redact(name, value string) handle.Field {
	return handle.RedactFields(handle.WaitURL{}, []handle.Field{{Name: name, Value: value}})[0]
}

func TestSecretsAreHidden(t *testing.T) {
	for _, s := range secrets {
		if got := redact("Value", s); got.Value != "(hidden)" {
			t.Errorf("%q is shown as %q", s, got.Value)
		}
	}
	for _, name := range secretNames {
		if got := redact(name, "correct horse"); got.Value != "(hidden)" {
			t.Errorf("the value of %s is shown", name)
		}
	}
	b, err := os.ReadFile("testdata/secret-parameters.json")
	if err != nil {
		t.Fatal(err)
	}
	var parameters []struct{ ParameterKey, ParameterValue string }
	if err := json.Unmarshal(b, &parameters); err != nil || len(parameters) == 0 {
		t.Fatalf("%d parameters, %v", len(parameters), err)
	}
	for _, p := range parameters {
		for _, name := range []string{p.ParameterKey, "Value"} {
			if got := redact(name, p.ParameterValue); got.Value != "(hidden)" {
				t.Errorf("%s is shown as %q", p.ParameterKey, got.Value)
			}
		}
	}
}

func TestWhatIsNoSecretIsShown(t *testing.T) {
	for _, f := range plain {
		if got := redact(f.Name, f.Value); got != f {
			t.Errorf("%v is shown as %v", f, got)
		}
	}
}

// TestSecretsInTextAreReplaced covers purposes, titles, typed reasons, outputs and
// failure reasons, in which the rest of the text stays.
func TestSecretsInTextAreReplaced(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"GET https://b.example.com/k?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=abc failed", "GET https://b.example.com/k?X-Amz-Credential=(hidden)&X-Amz-Signature=(hidden) failed"},
		{"see https://x.example.com/?a=1&sig=abc%3D&b=2", "see https://x.example.com/?a=1&sig=(hidden)&b=2"},
		{"token ghp_" + lower + lower + " expired", "token (hidden) expired"},
		{"use postgres://admin:hunter2@db", "use postgres://admin:(hidden)@db"},
		{"Authorization: Basic YWRtaW46aHVudGVyMg==", "Authorization: Basic (hidden)"},
		{"X-Amz-\u202ESignature=abc", "X-Amz-Signature=(hidden)"},
		{"The design=new config has basic infrastructure.", "The design=new config has basic infrastructure."},
	} {
		if got := (handle.WaitURL{}).Redact(tt.text); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		r, err := launch().VoteByMail("Ann", handle.Reject, tt.text, at)
		if err != nil || r.Decision.Reason != tt.want {
			t.Errorf("typed reason: got %v, %v, want %q", r.Decision, err, tt.want)
		}
		if r := launch().RecordEnd(handle.Ended{Status: "ROLLBACK_COMPLETE", Reason: tt.text, At: at}); r.Ended.Reason != tt.want {
			t.Errorf("failure reason: got %q, want %q", r.Ended.Reason, tt.want)
		}
	}
	if got := redact("ghp_"+lower+lower, "x"); strings.Contains(got.Name, lower) {
		t.Errorf("a secret as a name is shown: %q", got.Name)
	}
}

func TestRedactFieldsKeepsItsInput(t *testing.T) {
	list := []handle.Field{{Name: "B", Value: "2"}, {Name: "A", Value: "1\n"}}
	before := slices.Clone(list)
	got := handle.RedactFields(handle.WaitURL{}, list)
	if diff := cmp.Diff(before, list); diff != "" {
		t.Errorf("the input changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff([]handle.Field{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestFieldsFitTheRecord takes the most that CloudFormation allows: 200 parameters of
// 4,096 bytes.
func TestFieldsFitTheRecord(t *testing.T) {
	r := launch()
	var list []handle.Field
	for i := range 200 {
		list = append(list, handle.Field{Name: fmt.Sprintf("Parameter%03d", i), Value: strings.Repeat(`"é\`, 1024)})
	}
	r.Details, r.Parameters = handle.RedactFields(r.WaitURL, list), handle.RedactFields(r.WaitURL, append(list, handle.Field{Name: "Z", Value: "1"}))
	b, err := handle.Encode(r)
	if err != nil || len(b) > 250<<10 {
		t.Errorf("the record has %d bytes, %v", len(b), err)
	}
	if len(r.Details) != 200 || len(r.Parameters) != 200 || r.Parameters[199] != (handle.Field{Name: "(not stored)", Value: "2 more"}) {
		t.Errorf("got %d details, %d parameters, the last %v", len(r.Details), len(r.Parameters), r.Parameters[len(r.Parameters)-1])
	}
	for _, f := range r.Details {
		kept, left, _ := strings.Cut(f.Value, "… (")
		var n int
		if _, err := fmt.Sscanf(left, "%d more characters)", &n); err != nil || len([]rune(kept))+n != 3*1024 {
			t.Fatalf("%d characters are kept, and it says that %q are not", len([]rune(kept)), left)
		}
	}
	// One long value is kept whole, and does not displace others.
	few := handle.RedactFields(r.WaitURL, []handle.Field{{Name: "A", Value: strings.Repeat("x", 4096)}, {Name: "B", Value: "1"}})
	if len(few[0].Value) != 4096 || few[1].Value != "1" {
		t.Errorf("got %d bytes and %q", len(few[0].Value), few[1].Value)
	}
}

// FuzzRedactFields puts a secret anywhere into a value: it never survives.
func FuzzRedactFields(f *testing.F) {
	for i := range secrets {
		f.Add(i, "see ", " and more", "Value")
	}
	f.Add(3, "\u202E", "\u200E", "B\xff")
	f.Fuzz(func(t *testing.T, i int, before, after, name string) {
		s := secrets[((i%len(secrets))+len(secrets))%len(secrets)]
		if s == "****" || len(s) == 40 && strings.Contains(s, "/") { // secrets only as a whole value
			before, after = "", ""
		}
		// Word characters around it would make it another word.
		list := []handle.Field{{Name: name, Value: before + " " + s + " " + after}}
		for _, f := range handle.RedactFields(handle.WaitURL{}, list) {
			if strings.Contains(f.Value, lower) || strings.Contains(f.Value, s) {
				t.Errorf("%q is shown in %q", s, f.Value)
			}
		}
		if text := (handle.WaitURL{}).Redact(list[0].Value); strings.Contains(text, lower) {
			t.Errorf("%q is shown in %q", s, text)
		}
	})
}

// A detail with the name under which fields are counted that had no room stands for
// itself.
func TestDetailCannotPretendToStandForOthers(t *testing.T) {
	if f := redact("(not stored)", "500 more"); f.Represents() != 1 {
		t.Errorf("%+v stands for %d", f, f.Represents())
	}
}
