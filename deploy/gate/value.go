package gate

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is what an expression comes to. It is one of
//
//	string   a text
//	bare     a number or boolean that the template wrote without quotes
//	bool     the outcome of a condition
//	secret   a text made with the value of a NoEcho parameter or a NoEcho answer
//	list     values in order; it holds no absent
//	*object  values by key, in the order of the template; it holds no absent
//	absent   AWS::NoValue
//
// Values are never changed once made: literal ones are shared by all stacks of a template.
type Value any

type (
	unquoted string
	List     []Value
	noValue  struct{}

	// secret knows both its text and what may be shown of it.
	secret struct{ plain, shown string }

	Object struct {
		keys []string
		vals []Value
	}
)

// NoValue is AWS::NoValue.
var NoValue Value = noValue{}

// mask is what CloudFormation shows in place of a NoEcho value.
const mask = "****"

// Get returns the value of a key, nil when there is none.
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

// Set appends a key, or replaces the value of one that is there.
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

// scalar returns a scalar's text and what may be shown of it; ok is false for all other values.
func scalar(v Value) (plain, shown string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, v, true
	case unquoted:
		return string(v), string(v), true
	case bool:
		s := strconv.FormatBool(v)
		return s, s, true
	case secret:
		return v.plain, v.shown, true
	}
	return "", "", false
}

// plain returns a scalar's text, and "" for all other values.
func Text(v Value) string {
	p, _, _ := scalar(v)
	return p
}

// text makes a scalar of a text and what may be shown of it.
func newText(plain, shown string) Value {
	if plain == shown {
		return plain
	}
	return secret{plain, shown}
}

// Secret makes a text that is shown as ****.
func Secret(s string) Value { return newText(s, mask) }

// Strings makes a list of strings.
func Strings(items []string) List {
	l := make(List, len(items))
	for i, s := range items {
		l[i] = s
	}
	return l
}

// style says how a value is written as JSON.
type style struct {
	masked bool // show **** in place of secrets
	typed  bool // keep numbers and booleans; CloudFormation otherwise writes every scalar as a string
}

// AppendJSON appends v to b as compact JSON.
func AppendJSON(b []byte, v Value) []byte { return appendJSON(b, v, style{}) }

// AppendMaskedJSON appends v to b as compact JSON with **** in place of secrets.
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
	p, shown, _ := scalar(v)
	if s.typed && isLiteral(v) {
		return append(b, p...)
	}
	if s.masked {
		p = shown
	}
	return AppendString(b, p)
}

// isLiteral reports whether v can stand in JSON without quotes.
func isLiteral(v Value) bool {
	switch v := v.(type) {
	case bool:
		return true
	case unquoted:
		return v == "true" || v == "false" || isJSONNumber(string(v))
	}
	return false
}

// isJSONNumber reports whether s is a number as JSON writes it: no 0x1F, no 010, no +1, no .5.
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

// appendString appends s to b as a JSON string. Unlike encoding/json it leaves < > & alone, as AWS does.
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
			b = utf8.AppendRune(b, r) // an invalid byte becomes U+FFFD
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}
