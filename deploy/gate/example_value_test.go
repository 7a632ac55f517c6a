package gate_test

import (
	"testing"
)

// TestExample has parameters as public templates declare them. Their examples are accepted.
func TestExample(t *testing.T) {
	tests := []struct{ declaration, want string }{
		{"Type: String", "example"},
		{"Type: String, AllowedValues: [test, production]", "test"},
		{"Type: Number", "1"},
		{"Type: Number, MinValue: 5, MaxValue: 1024", "5"},
		{"Type: Number, MaxValue: 0", "0"},
		{"Type: String, MinLength: 8, MaxLength: 41, AllowedPattern: '[a-zA-Z0-9]*'", "Example1"},
		{"Type: String, MinLength: 50, MaxLength: 50", "Example1Example1Example1Example1Example1Example1Ex"},
		{"Type: String, MaxLength: 3", "exa"},
		{"Type: String, AllowedPattern: '(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})/(\\d{1,2})'", "10.0.0.0/16"},
		{"Type: String, AllowedPattern: '^ami-[0-9a-f]{8,17}$'", "ami-aaaaaaaa"},
		{"Type: String, AllowedPattern: 'o-[a-z0-9]{10,32}'", "o-aaaaaaaaaa"},
		{"Type: 'List<AWS::EC2::Subnet::Id>'", "example1,example2,example3,example4,example5,example6"},
		{"Type: CommaDelimitedList, AllowedPattern: '\\d{12}'", "111122223333"},
		{"Type: 'AWS::SSM::Parameter::Value<String>'", "/example"},
		{"Type: AWS::EC2::AvailabilityZone::Name", "us-east-1a"},
	}
	for _, tt := range tests {
		p := parse(t, []byte("Parameters: {P: {"+tt.declaration+"}}\nResources: {Q: {Type: AWS::SQS::Queue}}")).Parameters()[0]
		if got := p.Example(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.declaration, got, tt.want)
		}
		if _, err := parse(t, []byte("Parameters: {P: {"+tt.declaration+"}}\nResources: {Q: {Type: AWS::SQS::Queue}}")).
			Instantiate(account{}, map[string]string{"P": p.Example()}); err != nil {
			t.Errorf("%s: %v", tt.declaration, err)
		}
	}
}
