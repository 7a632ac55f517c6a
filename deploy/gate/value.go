package gate

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is the result of an expression. It is one of
//
//	string    a text
//	unquoted  a number or boolean written without quotes
//	bool      the result of a condition function
//	secret    a text that contains the value of a NoEcho parameter or response
//	sample    a made-up text
//	List      contains no noValue
//	*Object   contains no noValue
//	noValue   AWS::NoValue
//
// Values are immutable: all stacks of a template share its literals.
type Value any

type (
	unquoted string
	List     []Value
	noValue  struct{}

	// secret is a text and its masked form.
	secret struct{ plain, masked string }

	// sample is a made-up text in place of a value that only AWS knows. Parts of a sample are samples too. Functions that
	// want a list take it as one of any length if list is true.
	sample struct {
		text string
		list bool
	}

	Object struct {
		keys []string
		vals []Value
	}
)

// mask is what CloudFormation shows instead of a NoEcho value.
const mask = "****"

// Get returns the value of a key, or nil. The receiver may be nil.
func (o *Object) Get(key string) Value {
	if o == nil {
		return nil
	}
	for i, k := range o.keys {
		if k == key {
			return o.vals[i]
		}
	}
	return nil
}

// Len returns the number of keys.
func (o *Object) Len() int { return len(o.keys) }

// Set appends a key or replaces its value.
func (o *Object) Set(key string, v Value) {
	for i, k := range o.keys {
		if k == key {
			o.vals[i] = v
			return
		}
	}
	o.keys = append(o.keys, key)
	o.vals = append(o.vals, v)
}

// scalar returns a scalar's text and its masked form. ok is false for lists, objects and AWS::NoValue.
func scalar(v Value) (plain, masked string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, v, true
	case unquoted:
		return string(v), string(v), true
	case bool:
		s := strconv.FormatBool(v)
		return s, s, true
	case secret:
		return v.plain, v.masked, true
	case sample:
		return v.text, v.text, true
	}
	return "", "", false
}

// Text returns a scalar's text, and the empty string for lists, objects and AWS::NoValue.
func Text(v Value) string {
	p, _, _ := scalar(v)
	return p
}

// newText returns a scalar from a text and its masked form.
func newText(plain, masked string) Value {
	if plain == masked {
		return plain
	}
	return secret{plain, masked}
}

// Sample returns a made-up text. If it is split, each index of the result has a value.
func Sample(s string) Value { return sample{text: s} }

// SampleOfAnyType returns a made-up value that is a text, or a list where a function wants one.
func SampleOfAnyType(s string) Value { return sample{text: s, list: true} }

// IsSample reports whether v is made up.
func IsSample(v Value) bool {
	_, ok := v.(sample)
	return ok
}

// itemsOf returns the items of a list.
func itemsOf(v Value) (List, bool) {
	switch v := v.(type) {
	case List:
		return v, true
	case sample:
		return List{v}, v.list
	}
	return nil, false
}

// Secret returns s as a value that AppendMaskedJSON writes as ****.
func Secret(s string) Value { return newText(s, mask) }

// Strings returns items as a List.
func Strings(items []string) List {
	l := make(List, len(items))
	for i, s := range items {
		l[i] = s
	}
	return l
}

// style is how a value is written as JSON.
type style struct {
	masked bool // write secrets in their masked form
	typed  bool // write unquoted scalars as numbers and booleans; otherwise every scalar is a string
}

// AppendJSON appends v to b as compact JSON. Every scalar becomes a string, as in custom resource requests.
func AppendJSON(b []byte, v Value) []byte { return appendJSON(b, v, style{}) }

// AppendMaskedJSON is AppendJSON with secrets masked, as in stack events.
func AppendMaskedJSON(b []byte, v Value) []byte { return appendJSON(b, v, style{masked: true}) }

// appendJSON appends v to b as compact JSON.
func appendJSON(b []byte, v Value, s style) []byte {
	switch v := v.(type) {
	case List:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item, s)
		}
		return append(b, ']')
	case *Object:
		b = append(b, '{')
		for i, key := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = AppendString(b, key)
			b = append(b, ':')
			b = appendJSON(b, v.vals[i], s)
		}
		return append(b, '}')
	}
	p, masked, _ := scalar(v)
	if s.typed && isLiteral(v) {
		return append(b, p...)
	}
	if s.masked {
		p = masked
	}
	return AppendString(b, p)
}

// isLiteral reports whether v is valid JSON without quotes.
func isLiteral(v Value) bool {
	switch v := v.(type) {
	case bool:
		return true
	case unquoted:
		return v == "true" || v == "false" || isJSONNumber(string(v))
	}
	return false
}

// isJSONNumber reports whether s is a number in JSON's syntax, unlike 0x1F, 010, +1 and .5.
func isJSONNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return false
	}
	if len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		return false
	}
	if strings.ContainsAny(s, "xX_pP") || strings.HasSuffix(s, ".") {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// AppendString appends s to b as a JSON string. Unlike encoding/json it does not escape <, > and &, as AWS does not.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // invalid bytes become U+FFFD
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}
