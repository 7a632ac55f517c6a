package gate_test

import (
	"testing"

	"countersign/deploy/gate"
)

// TestYAML11 has one property in many spellings, as a custom resource gets it.
func TestYAML11(t *testing.T) {
	tests := []struct{ spelling, want string }{
		{"065115117704", `"7133765572"`}, {"0888", `"0888"`}, {"018", `"018"`}, {"-010", `"-8"`}, {"0o17", `"0o17"`}, {"0x1F", `"31"`}, {"0X1F", `"0X1F"`},
		{"0b101", `"5"`}, {"1_000", `"1000"`}, {"0_1", `"1"`}, {"1:30", `"90"`}, {"1:60", `"1:60"`}, {"01:30", `"01:30"`}, {"190:20:30", `"685230"`},
		{"1:30.5", `"90.5"`}, {"-1:30.5", `"-90.5"`}, {"1.10", `"1.1"`}, {"3.0", `"3.0"`}, {"5.", `"5.0"`}, {".5", `"0.5"`}, {"-.5", `"-.5"`}, {"1e3", `"1000.0"`},
		{"YES", `"true"`}, {"on", `"true"`}, {"NO", `"false"`}, {"Off", `"false"`}, {"y", `"y"`}, {"yEs", `"yEs"`}, {"'yes'", `"yes"`}, {"!!str yes", `"yes"`},
		{"!!int '7'", `"7"`}, {"!<tag:yaml.org,2002:str> 010", `"010"`},
		{"2012-10-17", `"2012-10-17"`}, {"2001-12-14t21:59:43.10-05:00", `"2001-12-14t21:59:43.10-05:00"`},
		{"a:b:c", `"a:b:c"`}, {"http://x:80/", `"http://x:80/"`}, {"x#y", `"x#y"`}, {"x #y", `"x"`}, {"'x'#y", `"x"`}, {"[x]#y", `["x"]`}, {"{A: x}#y", `{"A":"x"}`},
		{`"\ud83d\ude00"`, `"😀"`}, {`"a\/b"`, `"a/b"`}, {"[x,]", `["x"]`}, {"{A: x, A: y}", `{"A":"y"}`}, {"&anchor x", `"x"`},
		{"|\n        x\ty\n         z\n", `"x\ty\n z\n"`}, {">-\n        x\n        y\n", `"x y"`}, {"\"x\ty\"", `"x\ty"`}, {"x # a\ttab", `"x"`},
		{"|2\n          x\n        \ty\n", `"  x\n\ty\n"`},
	}
	for _, tt := range tests {
		t.Run(tt.spelling, func(t *testing.T) {
			for _, src := range []string{
				"Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      A: " + tt.spelling + "\n",
				"\ufeff%YAML 1.2\n# comment\n---\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      A: " + tt.spelling + "\n...\n",
			} {
				in, err := parse(t, []byte(src)).Instantiate(account{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				properties, err := in.Properties(in.Resources()[0])
				if err != nil {
					t.Fatal(err)
				}
				if got := string(gate.AppendJSON(nil, properties.Get("A"))); got != tt.want {
					t.Errorf("value: got %s, want %s", got, tt.want)
				}
			}
		})
	}
}

// TestNotYAML11 has spellings that YAML 1.1 or CloudFormation refuses.
func TestNotYAML11(t *testing.T) {
	const malformed = "Template format error: YAML not well-formed. "
	const null = "[/Resources/Q/Properties/A] 'null' values are not allowed in templates"
	tests := []struct{ spelling, want string }{
		{"~", null}, {"null", null}, {"Null", null}, {"NULL", null}, {"", null}, {"!!null ''", null},
		{"x\t# y", malformed + "(line 2, column 57)"}, {"x\ty", malformed + "(line 2, column 57)"}, {"[x,\ty]", malformed + "(line 2, column 59)"},
		{"!!timestamp 2012-10-17", malformed + "(line 2, column 56)"}, {"!!binary YQ==", malformed + "(line 2, column 56)"},
		{"!!set {a}", malformed + "(line 2, column 56)"}, {"!!python/none x", malformed + "(line 2, column 56)"}, {"@x", malformed + "(line 2, column 56)"},
		{"x: y", malformed + "(line 2, column 57)"}, {"'x'y", malformed + "(line 2, column 59)"}, {"'x'#", ""},
	}
	for _, tt := range tests {
		t.Run(tt.spelling, func(t *testing.T) {
			_, err := gate.Parse([]byte("Resources: {}\nResources: {Q: {Type: AWS::SQS::Queue, Properties: {A: " + tt.spelling + "\n }}}\n"))
			if tt.want == "" && err == nil {
				return
			}
			if err == nil {
				t.Fatal("Parse: got no error")
			}
			if got := refusalMessage(t, err); got != tt.want {
				t.Errorf("message: got %q, want %q", got, tt.want)
			}
		})
	}
}
