package gate

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Scalars of YAML 1.1, which CloudFormation reads, in the dialect of PyYAML and SnakeYAML: single letters are not booleans.
// go.yaml.in reads YAML 1.2.
//
// https://yaml.org/type/bool.html, https://yaml.org/type/int.html, https://yaml.org/type/float.html
var (
	yamlTrue  = regexp.MustCompile(`^(yes|Yes|YES|true|True|TRUE|on|On|ON)$`)
	yamlFalse = regexp.MustCompile(`^(no|No|NO|false|False|FALSE|off|Off|OFF)$`)
	yamlInt   = regexp.MustCompile(`^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$`)
	yamlFloat = regexp.MustCompile(`^[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*)$|^\.[0-9][0-9_]*([eE][-+]?[0-9]+)?$`)
)

// maxNumber is the longest text that is read as a number, in bytes. It bounds the time that converting takes.
const maxNumber = 100

// retag sets the tags of the scalars in and below n to those of YAML 1.1. Unquoted text that is a number in YAML 1.2
// only, such as 0o17 or 0912, becomes a string.
func retag(n *yaml.Node) {
	const typed = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	if n.Kind == yaml.ScalarNode && n.Style&typed == 0 && n.Tag != "!!null" {
		switch s := n.Value; {
		case len(s) > maxNumber:
			n.Tag = "!!str"
		case yamlTrue.MatchString(s), yamlFalse.MatchString(s):
			n.Tag = "!!bool"
		case yamlInt.MatchString(s):
			n.Tag = "!!int"
		case yamlFloat.MatchString(s):
			n.Tag = "!!float"
		default:
			n.Tag = "!!str"
		}
	}
	for _, child := range n.Content {
		retag(child)
	}
}

// scalarText returns a scalar as CloudFormation passes it on: an unquoted boolean as true or false, and an unquoted
// number in decimal. Names of parameters, conditions and resources keep their text.
func scalarText(n *yaml.Node) string {
	switch n.Tag {
	case "!!bool":
		return strconv.FormatBool(yamlTrue.MatchString(n.Value))
	case "!!int":
		return decimal(n.Value)
	case "!!float":
		if f, ok := parseFloat(strings.ReplaceAll(n.Value, "_", "")); ok {
			return formatFloat(f)
		}
	}
	return n.Value
}

// parseFloat converts a float of YAML 1.1: decimal, or sexagesimal as in 1:30.5.
func parseFloat(s string) (float64, bool) {
	parts := strings.Split(s, ":")
	sum := 0.0
	for _, part := range parts {
		f, err := strconv.ParseFloat(strings.TrimLeft(part, "+-"), 64)
		if err != nil {
			return 0, false
		}
		sum = sum*60 + f
	}
	if strings.HasPrefix(s, "-") {
		sum = -sum
	}
	return sum, true
}

// decimal converts an integer of YAML 1.1: binary 0b11, octal 017, hexadecimal 0x1F, sexagesimal 1:30, or decimal.
func decimal(s string) string {
	digits := strings.ReplaceAll(strings.TrimLeft(s, "+-"), "_", "")
	base := 10
	switch {
	case strings.HasPrefix(digits, "0b"):
		base, digits = 2, digits[2:]
	case strings.HasPrefix(digits, "0x"):
		base, digits = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base, digits = 8, digits[1:]
	}
	n := new(big.Int)
	for part := range strings.SplitSeq(digits, ":") {
		value, ok := new(big.Int).SetString(part, base)
		if !ok { // only underscores, as in 0x_
			return s
		}
		n.Add(n.Mul(n, big.NewInt(60)), value)
	}
	if s[0] == '-' {
		n.Neg(n)
	}
	return n.String()
}

// formatFloat writes a float with at least one digit after the point, as Python and Java do.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
