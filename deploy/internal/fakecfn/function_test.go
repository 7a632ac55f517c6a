package fakecfn_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/deploy/gate"
	"countersign/deploy/internal/fakecfn"
)

// probeTemplate has a custom resource whose property P is the expression that follows.
const probeTemplate = `
Transform: AWS::LanguageExtensions
Parameters:
  Word: {Type: String, Default: river}
  Empty: {Type: String, Default: ''}
  Words: {Type: CommaDelimitedList, Default: 'a, b ,c'}
  Ports: {Type: List<Number>, Default: '80,443'}
Mappings:
  Names:
    us-east-1: {Short: use1, Zones: [x, y], Count: 3}
Conditions:
  Yes: !Equals [!Ref Word, river]
  No: !Not [!Condition Yes]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: sample-bucket}
  Probe:
    Type: Custom::Probe
    Properties:
      ServiceToken: arn:aws:lambda:us-east-1:111122223333:function:probe
      P: `

func TestFunctions(t *testing.T) {
	tests := []struct {
		name, expr string
		want       any
	}{
		{"number", `80`, "80"},
		{"octal", `065115117704`, "7133765572"},
		{"leading zero, not octal", `0912`, "0912"},
		{"quoted leading zero", `'065115117704'`, "065115117704"},
		{"tagged leading zero", `!!str 012`, "012"},
		{"octal of YAML 1.2", `0o17`, "0o17"},
		{"hexadecimal", `0x1F`, "31"},
		{"binary", `-0b101`, "-5"},
		{"sexagesimal", `22:30`, "1350"},
		{"underscores", `1_000`, "1000"},
		{"large integer", `123456789012345678901`, "123456789012345678901"},
		{"float", `3.10`, "3.1"},
		{"whole float", `2.0`, "2.0"},
		{"date", `2012-10-17`, "2012-10-17"},
		{"version", `1.2.3`, "1.2.3"},
		{"boolean", `TRUE`, "true"},
		{"YES", `YES`, "true"},
		{"on", `on`, "true"},
		{"NO", `NO`, "false"},
		{"off", `[off]`, []any{"false"}},
		{"quoted yes", `"yes"`, "yes"},
		{"y", `y`, "y"},
		{"Sub of a transform", `{'Fn::Sub': {'Fn::Transform': {Name: Macro}}}`, ""},
		{"Sub with spaces", `!Sub '${ AWS::Region } ${  Word }'`, "us-east-1 river"},
		{"date", `2012-10-17`, "2012-10-17"},
		{"nested scalars", `{A: [1, true, {B: 2.50}]}`, map[string]any{"A": []any{"1", "true", map[string]any{"B": "2.5"}}}},

		{"Ref parameter", `!Ref Word`, "river"},
		{"Ref list parameter", `!Ref Words`, []any{"a", "b", "c"}},
		{"Ref number list", `{Ref: Ports}`, []any{"80", "443"}},
		{"Ref resource", `!Ref Bucket`, "sample-bucket"},
		{"Ref AccountId", `!Ref AWS::AccountId`, "111122223333"},
		{"Ref Region", `!Ref AWS::Region`, "us-east-1"},
		{"Ref Partition", `!Ref AWS::Partition`, "aws"},
		{"Ref StackName", `!Ref AWS::StackName`, "stack"},
		{"Ref URLSuffix", `!Ref AWS::URLSuffix`, "amazonaws.com"},
		{"Ref NotificationARNs", `!Ref AWS::NotificationARNs`, []any{"arn:aws:sns:us-east-1:111122223333:stacks"}},
		{"NoValue in a list", `[a, !Ref AWS::NoValue, b]`, []any{"a", "b"}},
		{"NoValue in an object", `{A: 1, B: !Ref AWS::NoValue}`, map[string]any{"A": "1"}},

		{"GetAtt dotted", `!GetAtt Bucket.Arn`, "arn:aws:s3:::sample-bucket"},
		{"GetAtt list", `!GetAtt [Bucket, Arn]`, "arn:aws:s3:::sample-bucket"},
		{"GetAtt computed", `!GetAtt [Bucket, !Sub ['A${R}', {R: rn}]]`, "arn:aws:s3:::sample-bucket"},

		{"Sub", `!Sub 'x-${Word}-${AWS::Region}'`, "x-river-us-east-1"},
		{"Sub literal", `!Sub '${!Word}-${Word}'`, "${Word}-river"},
		{"Sub attribute", `!Sub '${Bucket.Arn}/*'`, "arn:aws:s3:::sample-bucket/*"},
		{"Sub with map", `!Sub ['${A}/${Word}/${B}', {A: 1, B: !Ref Word, Word: own}]`, "1/own/river"},
		{"Sub without variables", `!Sub plain`, "plain"},
		{"Sub literal after a space", `!Sub '${ !Word}'`, "${Word}"},
		{"Sub unclosed", `!Sub 'a${Word'`, "a${Word"},
		{"Sub nested", `!Sub ['${A}!', {A: !Sub ['<${B}>', {B: !Ref Word}]}]`, "<river>!"},

		{"Join", `!Join ['-', [a, !Ref Word, 3]]`, "a-river-3"},
		{"Join parameter", `!Join ['', !Ref Words]`, "abc"},
		{"Join with NoValue", `!Join [',', [a, !If [No, b, !Ref AWS::NoValue], c]]`, "a,c"},
		{"Split", `!Split [',', 'a,b,,c']`, []any{"a", "b", "", "c"}},
		{"Select", `!Select [1, [a, b]]`, "b"},
		{"Select string index", `!Select ['2', !Ref Words]`, "c"},
		{"Select of Split", `!Select [0, !Split [iv, !Ref Word]]`, "r"},

		{"FindInMap", `!FindInMap [Names, !Ref AWS::Region, Short]`, "use1"},
		{"FindInMap list", `!FindInMap [Names, us-east-1, Zones]`, []any{"x", "y"}},
		{"FindInMap default", `!FindInMap [Names, eu-west-1, Short, {DefaultValue: !Ref Word}]`, "river"},

		{"If true", `!If [Yes, a, b]`, "a"},
		{"If false", `!If [No, a, [b]]`, []any{"b"}},

		{"Base64", `!Base64 'hello'`, "aGVsbG8="},
		{"Base64 of Sub", `{Fn::Base64: !Sub '${Word}'}`, "cml2ZXI="},
		{"GetAZs", `!GetAZs ''`, []any{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"}},
		{"GetAZs region", `!GetAZs eu-west-1`, []any{"eu-west-1a", "eu-west-1b", "eu-west-1c"}},

		{"Cidr", `!Cidr [192.168.0.0/24, 3, 5]`, []any{"192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"}},
		{"Cidr host bits set", `!Cidr [10.0.7.9/16, '2', '8']`, []any{"10.0.0.0/24", "10.0.1.0/24"}},
		{"Cidr without bits", `!Cidr [10.0.0.0/24, 3]`, []any{"10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26"}},
		{"Cidr whole block", `!Cidr [10.0.0.0/24, 1, 8]`, []any{"10.0.0.0/24"}},
		{"Cidr IPv6", `!Cidr ['2001:db8:abc:de00::/56', 2, 64]`, []any{"2001:db8:abc:de00::/64", "2001:db8:abc:de01::/64"}},

		{"Length", `!Length [a, b, c]`, "3"},
		{"Length of parameter", `!Length {Ref: Ports}`, "2"},
		{"ToJsonString", `!ToJsonString {a: 1, b: [true, 'x"y', !Ref Word], c: 010}`, `{"a":1,"b":[true,"x\"y","river"],"c":8}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t)
			w.create(fakecfn.CreateStackInput{
				Template:         mustParse(t, probeTemplate+tt.expr+"\n"),
				NotificationARNs: []string{"arn:aws:sns:us-east-1:111122223333:stacks"},
			})
			if diff := cmp.Diff(tt.want, w.last("Probe").ResourceProperties["P"]); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFunctionErrors checks the messages of functions that cannot be evaluated, from Parse, CreateStack or an event.
func TestFunctionErrors(t *testing.T) {
	tests := []struct {
		name, expr, want string
	}{
		{"Select out of range", `!Select [3, [a, b]]`, "Template error: Fn::Select cannot select nonexistent value at index 3"},
		{"Select no index", `!Select [x, [a]]`, "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"},
		{"Join of a text", `!Join [',', abc]`, "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."},
		{"Split one argument", `!Split [',']`, "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split."},
		{"unknown mapping", `!FindInMap [Nope, a, b]`, "Template error: Mapping named 'Nope' is not present in the 'Mappings' section of template."},
		{"unknown key", `!FindInMap [Names, eu-west-1, Short]`, "Template error: Unable to get mapping for Names::eu-west-1::Short"},
		{"FindInMap two arguments", `!FindInMap [Names, a]`, "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"},
		{"If two arguments", `!If [Yes, a]`, "Template error: Fn::If requires a list argument with three elements"},
		{"If unknown condition", `!If [Perhaps, a, b]`, "Template error: unresolved condition dependency Perhaps in Fn::If"},
		{"unknown Ref", `!Ref Nope`, "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template"},
		{"unknown GetAtt", `!GetAtt Nope.Arn`, "Template error: instance of Fn::GetAtt references undefined resource Nope"},
		{"GetAtt without attribute", `!GetAtt Bucket`, "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"},
		{"unknown Sub variable", `!Sub '${Nope}'`, "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template"},
		{"unknown Sub attribute", `!Sub '${Nope.Arn}'`, "Template error: instance of Fn::Sub references invalid resource attribute Nope.Arn"},
		{"shell in Sub", `!Sub '${HOME:-/}'`, "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{"Sub of a list", `!Sub [a, b]`, "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string"},
		{"unknown export", `!ImportValue nope`, "No export named nope found."},
		{"Cidr too many", `!Cidr [10.0.0.0/24, 9, 5]`, "Template error: Fn::Cidr cannot fit 9 blocks with 5 subnet bits into 10.0.0.0/24"},
		{"Cidr no block", `!Cidr [10.0.0, 1, 5]`, "Template error: Fn::Cidr ipBlock 10.0.0 is not a valid CIDR block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newFixture(t)
			got := w.refusal(probeTemplate + tt.expr + "\n")
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("refusal: got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("unsupported", func(t *testing.T) {
		got := newFixture(t).refusal(probeTemplate + "{Fn::Nope: 1}\n")
		if want := "Template Error: Encountered unsupported function: Fn::Nope Supported functions are: ["; !strings.HasPrefix(got, want) {
			t.Errorf("refusal: got %q, want %q", got, want)
		}
	})
	t.Run("extension without its transform", func(t *testing.T) {
		src := strings.Replace(probeTemplate, "Transform: AWS::LanguageExtensions", "", 1)
		got := newFixture(t).refusal(src + "!Length [a]\n")
		if want := "Template Error: Encountered unsupported function: Fn::Length"; !strings.HasPrefix(got, want) {
			t.Errorf("refusal: got %q, want %q", got, want)
		}
	})
}

// A mapping lookup that needs no resource fails CreateStack.
func TestMappingLookupFailsBeforeCreation(t *testing.T) {
	w := newFixture(t)
	_, err := w.engine.CreateStack(fakecfn.CreateStackInput{
		Name: "stack", Template: mustParse(t, probeTemplate+"!Sub ['${A}', {A: !FindInMap [Names, eu-west-1, Short]}]\n"),
	})
	if err == nil {
		t.Fatal("CreateStack: got no error")
	}
	if got, want := refusalMessage(t, err), "Template error: Unable to get mapping for Names::eu-west-1::Short"; got != want {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
	if got := len(w.engine.Stacks()); got != 0 {
		t.Errorf("stacks: got %d, want none", got)
	}
	// The branch that is not taken is not evaluated.
	w.create(fakecfn.CreateStackInput{Template: mustParse(t, probeTemplate+"!If [Yes, a, !FindInMap [Names, eu-west-1, Short]]\n")})
}

// refusal returns the first error of a template: the message of Parse or CreateStack, the reason of the first failed
// resource, or the reason of the rollback.
func (w *fixture) refusal(src string) string {
	w.t.Helper()
	tpl, err := gate.Parse([]byte(src))
	if err != nil {
		return refusalMessage(w.t, err)
	}
	id, err := w.engine.CreateStack(fakecfn.CreateStackInput{Name: "stack", Template: tpl})
	if err != nil {
		return refusalMessage(w.t, err)
	}
	for _, l := range w.log(id) {
		if l.Status == fakecfn.CreateFailed || l.Status == fakecfn.RollbackInProgress {
			return l.Reason
		}
	}
	return ""
}
