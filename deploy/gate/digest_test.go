package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const digestTemplate = `# a comment
Description: Queue
Parameters:
  Email: {Type: String, Default: a@example.com}
  Days: {Type: Number, Default: 4}
Conditions:
  Long: !Not [!Equals [!Ref Days, 4]]
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
  Request:
    Type: Custom::ApprovalRequest
    Properties:
      ServiceToken: !Sub arn:aws:lambda:${AWS::Region}:111122223333:function:countersign-notifier
      Template: '0123456789abcdef'
      WaitUrl: !Ref Handle
      Parameters: {Email: !Ref Email, Days: !Ref Days}
  Verdict:
    Type: Custom::ApprovalVerdict
    Properties: {RequestId: !Ref Request, Template: own}
  Queue:
    Type: AWS::SQS::Queue
    Condition: Long
    Properties:
      MessageRetentionPeriod: 0x10
      Tags: [{Key: by, Value: !GetAtt Verdict.ApprovedBy}]
`

func mustDigest(t testing.TB, src string) string {
	t.Helper()
	d, err := Digest([]byte(src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return d
}

// Launched products hold this digest: if it changes for the same template, their next updates ask.
func TestDigestStaysTheSameAcrossReleases(t *testing.T) {
	if got, want := mustDigest(t, digestTemplate), "7c285d1850a4cb66"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestFormDoesNotChangeDigest(t *testing.T) {
	want := mustDigest(t, digestTemplate)
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(digestTemplate, old) {
			t.Fatalf("the template has no %q", old)
		}
		return strings.Replace(digestTemplate, old, new, 1)
	}
	for name, src := range map[string]string{
		"comments":          replace("# a comment\n", "") + "# another\n",
		"own digest":        replace("'0123456789abcdef'", "fedcba9876543210"),
		"no digest":         replace("      Template: '0123456789abcdef'\n", ""),
		"expression":        replace("'0123456789abcdef'", "!Ref Email"),
		"quotes":            replace("Default: 4", "Default: '4'"),
		"number format":     replace("0x10", "16"),
		"order":             replace("{Type: String, Default: a@example.com}", "{Default: a@example.com, Type: String}"),
		"block style":       replace("{Email: !Ref Email, Days: !Ref Days}", "\n        Days: !Ref Days\n        Email: !Ref Email"),
		"long Ref":          replace("!Ref Handle", "{Ref: Handle}"),
		"long GetAtt":       replace("!GetAtt Verdict.ApprovedBy", "{Fn::GetAtt: [Verdict, ApprovedBy]}"),
		"GetAtt as string":  replace("!GetAtt Verdict.ApprovedBy", "{Fn::GetAtt: Verdict.ApprovedBy}"),
		"GetAtt as list":    replace("!GetAtt Verdict.ApprovedBy", "!GetAtt [Verdict, ApprovedBy]"),
		"long Sub":          replace("!Sub arn", "\n        Fn::Sub: arn"),
		"long Not":          replace("!Not [!Equals [!Ref Days, 4]]", `{"Fn::Not": [{"Fn::Equals": [{"Ref": "Days"}, 4]}]}`),
		"Windows lines":     strings.ReplaceAll(digestTemplate, "\n", "\r\n"),
		"byte order mark":   "\ufeff" + digestTemplate,
		"JSON":              string(asJSON(t, digestTemplate)),
		"duplicate, unused": replace("Description: Queue", "Description: Old\nDescription: Queue"),
	} {
		if got := mustDigest(t, src); got != want {
			t.Errorf("%s: digest %s, want %s\n%s", name, got, want, src)
		}
	}
}

func TestEveryChangeOfTheTemplateChangesDigest(t *testing.T) {
	seen := map[string]string{mustDigest(t, digestTemplate): "the template"}
	for _, change := range [][2]string{
		{"Default: a@example.com", "Default: b@example.com"}, {"Default: 4", "Default: 5"}, {"Default: 4", "Default: 4, MinValue: 4"},
		{"Description: Queue", "Description: Topic"}, {"Description: Queue\n", ""}, {"!Ref Days, 4", "4, !Ref Days"},
		{"!Ref Handle", "Handle"}, {"!Ref Handle", "!Sub Handle"}, {"    Condition: Long\n", ""}, {"0x10", "17"}, {"0x10", "'0x10'"},
		{"Verdict.ApprovedBy", "Verdict.ApprovedAt"}, {"Template: own", "Template: changed"}, {", Template: own", ""},
		{"WaitUrl: !Ref Handle", "WaitUrl: !Ref Handle\n      Approvals: 2"}, {", Days: !Ref Days}", "}"}, {"Queue:\n", "Queue2:\n"},
		{"Custom::ApprovalRequest", "Custom::Other"}, {"[{Key: by, Value: !GetAtt Verdict.ApprovedBy}]", "[]"},
		{"[{Key: by, Value: !GetAtt Verdict.ApprovedBy}]", "{}"}, {"[{Key: by, Value: !GetAtt Verdict.ApprovedBy}]", "''"},
		{"[{Key: by, Value: !GetAtt Verdict.ApprovedBy}]", "~"},
		{"WaitUrl: !Ref Handle", "Wait: !Ref Handle"}, // no request resource: its Template counts
	} {
		if !strings.Contains(digestTemplate, change[0]) {
			t.Fatalf("the template has no %q", change[0])
		}
		d := mustDigest(t, strings.Replace(digestTemplate, change[0], change[1], 1))
		if before, ok := seen[d]; ok {
			t.Errorf("%q for %q has the digest of %s", change[1], change[0], before)
		}
		seen[d] = change[1]
	}
}

func TestDigestRefusesWhatCannotBeRead(t *testing.T) {
	for _, src := range []string{"", "[]", "{", "a: &x 1\nb: *x", "a: !Nope b", "{}x"} {
		var refused *Error
		if d, err := Digest([]byte(src)); d != "" || !errors.As(err, &refused) {
			t.Errorf("%q: %q, %v", src, d, err)
		}
	}
}

func TestSetDigestChangesOnlyTheValue(t *testing.T) {
	const gate = "Resources:\n  R:\n    Type: Custom::R\n    Properties:\n"
	for name, test := range map[string]struct{ src, before, after string }{
		"plain":            {gate + "      Template: stale # ours\n      WaitUrl: x\n", "stale", "'DIGEST'"},
		"single quotes":    {gate + "      Template: 'é' # ours\n      WaitUrl: x\n", "é", "DIGEST"},
		"double quotes":    {gate + "      WaitUrl: x\n      Template: \"\"", `""`, `"DIGEST"`},
		"non-ASCII":        {"Description: é\nResources: {R: {Type: Custom::R, Properties: {É: ü, Template: stale, WaitUrl: x}}}", "stale", "'DIGEST'"},
		"byte order mark":  {"\ufeffResources: {R: {Type: Custom::R, Properties: {Template: stale, WaitUrl: x}}}", "stale", "'DIGEST'"},
		"missing":          {gate + "      A: 1\n      WaitUrl: x\n", "WaitUrl", "Template: 'DIGEST'\n      WaitUrl"},
		"missing, Windows": {strings.ReplaceAll(gate, "\n", "\r\n") + "      WaitUrl: x\r\n", "WaitUrl", "Template: 'DIGEST'\r\n      WaitUrl"},
		"missing, flow":    {"Resources: {R: {Type: Custom::R, Properties: {WaitUrl: x}}}", "WaitUrl", "Template: 'DIGEST', WaitUrl"},
		"JSON":             {`{"Description": "é", "Resources": {"R": {"Type": "Custom::R", "Properties": {"É": 1, "Template" : "stale", "WaitUrl": 1}}}}`, "stale", "DIGEST"},
		"JSON, missing":    {`{"Resources": {"R": {"Type": "Custom::R", "Properties": {"A": 1,"WaitUrl": 1}}}}`, `"WaitUrl"`, `"Template": "DIGEST", "WaitUrl"`},
		"JSON, missing, lines": {"{\"Resources\": {\"R\": {\"Type\": \"Custom::R\", \"Properties\": {\n\t\"A\": 1,\n\t\"WaitUrl\": 1}}}}", `"WaitUrl"`,
			"\"Template\": \"DIGEST\",\n\t\"WaitUrl\""},
	} {
		out, stale, err := SetDigest([]byte(test.src))
		want := strings.Replace(test.src, test.before, strings.Replace(test.after, "DIGEST", mustDigest(t, test.src), 1), 1)
		if err != nil || string(out) != want || !slices.Equal(stale, []string{"R"}) {
			t.Errorf("%s: %v, stale %v\n%s\nwant\n%s", name, err, stale, out, want)
			continue
		}
		if again, stale, err := SetDigest(out); err != nil || len(stale) > 0 || !bytes.Equal(again, out) {
			t.Errorf("%s: the second time: %v, stale %v\n%s", name, err, stale, again)
		}
	}
}

func TestSetDigestSetsEveryRequest(t *testing.T) {
	src := strings.Replace(digestTemplate, "  Verdict:\n", "  Second:\n    Type: Custom::Second\n    Properties: {WaitUrl: !Ref Handle}\n  Verdict:\n", 1)
	out, stale, err := SetDigest([]byte(src))
	if err != nil || !slices.Equal(stale, []string{"Request", "Second"}) || strings.Count(string(out), mustDigest(t, src)) != 2 {
		t.Errorf("%v, %v\n%s", err, stale, out)
	}
}

func TestSetDigestRefusesWhatItCannotWrite(t *testing.T) {
	if _, _, err := SetDigest([]byte("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {WaitUrl: x}}}")); !errors.Is(err, ErrNoRequest) {
		t.Errorf("without a request resource: %v", err)
	}
	for _, value := range []string{"!Ref X", "|\n        two\n        lines", `"esc\x61ped"`, "[]"} {
		src := "Resources:\n  R:\n    Type: Custom::R\n    Properties:\n      WaitUrl: x\n      Template: " + value + "\n"
		if _, _, err := SetDigest([]byte(src)); err == nil || !strings.Contains(err.Error(), mustDigest(t, src)) {
			t.Errorf("%s: the error %v does not say what to write", value, err)
		}
	}
}

// FuzzDigest holds that the digest is the same in another form, differs after each change of a value, and can be written
// into the template.
func FuzzDigest(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src, 7)
	}
	f.Add([]byte(digestTemplate), 3)
	f.Add([]byte("Resources:\n  ? R\n  : {Type: Custom::R, Properties: {? WaitUrl : x}}"), 1)
	f.Add([]byte("Resources: {R: {Type: Custom::R, Properties: {'WaitUrl': x, Template:\n 1e5}}}"), 1)
	f.Fuzz(func(t *testing.T, src []byte, n int) {
		want, err := Digest(src)
		if err != nil {
			return
		}
		root, err := decode(src)
		if err != nil {
			t.Fatalf("Digest read what decode refuses: %v", err)
		}
		if got := mustDigest(t, string(encode(t, root))); got != want {
			t.Errorf("digest %s, as JSON %s", want, got)
		}
		values := counted(root, digestHolders(root), nil)
		if len(values) > 0 {
			v := values[uint(n)%uint(len(values))]
			v.Tag, v.Value = "!!str", v.Value+"x"
			if got := mustDigest(t, string(encode(t, root))); got == want {
				t.Errorf("the digest does not depend on %q", v.Value)
			}
		}
		out, stale, err := SetDigest(src)
		if err != nil {
			return
		}
		if (len(stale) == 0) != bytes.Equal(out, src) || mustDigest(t, string(out)) != want || !bytes.Contains(out, []byte(want)) {
			t.Errorf("SetDigest, stale %v:\n%s", stale, out)
		}
	})
}

func asJSON(t *testing.T, src string) []byte {
	t.Helper()
	root, err := decode([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, root)
}

func encode(t *testing.T, root *yaml.Node) []byte {
	t.Helper()
	b, err := json.MarshalIndent(plain(root), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain converts a tree to Go values: scalars to strings or nil.
func plain(n *yaml.Node) any {
	switch {
	case n.Kind == yaml.MappingNode:
		m := map[string]any{}
		for k, v := range members(n) {
			m[k.Value] = plain(v)
		}
		return m
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, plain(c))
		}
		return list
	case isNull(n):
		return nil
	}
	return scalarText(n)
}

// counted appends the scalars on which the digest depends.
func counted(n *yaml.Node, holders map[*yaml.Node]bool, list []*yaml.Node) []*yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for k, v := range members(n) {
			if member(n, k.Value) == v && !(holders[n] && k.Value == templateProperty) {
				list = counted(v, holders, list)
			}
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			list = counted(c, holders, list)
		}
	case yaml.ScalarNode:
		list = append(list, n)
	}
	return list
}
