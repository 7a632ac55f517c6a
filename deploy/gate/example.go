package gate

import (
	"regexp/syntax"
	"strings"
)

// Example returns a value that satisfies the parameter's constraints if it can make one.
func (def *Parameter) Example() string {
	candidates := append(def.samples(), def.matching()...)
	for _, s := range candidates {
		if def.check(s) == nil {
			return s
		}
	}
	return candidates[0]
}

// samples returns values that often fit, the most readable first.
func (def *Parameter) samples() []string {
	var s []string
	if len(def.AllowedValues) > 0 {
		s = append(s, def.AllowedValues[0])
	}
	if strings.Contains(strings.ToLower(def.Name), "mail") {
		s = append(s, "rita@example.com")
	}
	if strings.HasSuffix(def.Name, "ServiceToken") || strings.HasSuffix(def.Name, "LambdaArn") || strings.HasSuffix(def.Name, "FunctionArn") {
		s = append(s, "arn:aws:lambda:us-east-1:111122223333:function:example")
	}
	if strings.Contains(def.Name, "S3VersionKey") { // of an asset of CDK v1
		s = append(s, "example||example")
	}
	switch {
	case strings.Contains(def.Type, typeNumber):
		s = append(s, "1")
		for _, l := range []*limit{def.minValue, def.maxValue} {
			if l != nil {
				s = append(s, l.text)
			}
		}
	case strings.HasPrefix(def.Type, ssmPrefix):
		s = append(s, "/example")
	case def.Type == "List<AWS::EC2::AvailabilityZone::Name>":
		s = append(s, "us-east-1a,us-east-1b,us-east-1c")
	case strings.Contains(def.Type, "AvailabilityZone"):
		s = append(s, "us-east-1a")
	case def.isList():
		s = append(s, "example1,example2,example3,example4,example5,example6")
	}
	s = append(s, "example", "Example1", "Example1!", "10.0.0.0/16", "10.0.0.1", "111122223333", "example.com", "https://example.com/", "rita@example.com",
		"arn:aws:iam::111122223333:role/example", "arn:aws:kms:us-east-1:111122223333:key/12345678-1234-1234-1234-123456789012",
		"10:00", "2026-01-01", "us-east-1")
	if def.minLength != nil && def.minLength.n <= 4096 {
		s = append(s, strings.Repeat("Example1", int(def.minLength.n)/8+1)[:int(def.minLength.n)])
	}
	if def.maxLength != nil && def.maxLength.n <= 7 {
		s = append(s, "example"[:max(0, int(def.maxLength.n))])
	}
	return s
}

// matching returns texts made from the parameter's pattern, with repetitions of several lengths.
func (def *Parameter) matching() []string {
	if def.regexp == nil || def.pattern == "" {
		return nil
	}
	re, err := syntax.Parse(def.pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	var texts []string
	for _, n := range []int{1, 2, 3, 5, 8, 12, 17, 20, 32} {
		var b strings.Builder
		writeMatch(&b, re, n)
		texts = append(texts, b.String())
	}
	return texts
}

// writeMatch writes a text that re often matches. Repetitions have n elements if they may.
func writeMatch(b *strings.Builder, re *syntax.Regexp, n int) {
	if b.Len() > 4096 {
		return
	}
	times := 1
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
		return
	case syntax.OpCharClass:
		b.WriteRune(classMember(re.Rune))
		return
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
		return
	case syntax.OpAlternate:
		writeMatch(b, re.Sub[0], n)
		return
	case syntax.OpStar, syntax.OpPlus:
		times = n
	case syntax.OpRepeat:
		if times = max(n, re.Min); re.Max >= 0 {
			times = min(times, re.Max)
		}
	}
	for range times {
		for _, sub := range re.Sub {
			writeMatch(b, sub, n)
		}
	}
}

// classMember returns a readable member of a character class, which is a list of ranges.
func classMember(ranges []rune) rune {
	for _, want := range "a1A" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= want && want <= ranges[i+1] {
				return want
			}
		}
	}
	if len(ranges) == 0 {
		return 'a'
	}
	return ranges[0]
}
