package gate

import (
	"encoding/base64"
	"strconv"
	"strings"
)

const (
	usageJoin = "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings " +
		"to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
	usageSelect = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
	usageSplit  = "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be " +
		"split or a function that returns a string to be split."
)

// maxText limits the text that a function may return, in bytes: nested functions can double a text at every level. AWS
// does not document such a limit.
const maxText = 1 << 20

func errTooLong() error {
	return invalid("Template error: the result of an intrinsic function exceeds %d bytes.", maxText) // own words
}

// join is Fn::Join.
func join(_ *Instance, args []Value) (Value, error) {
	delimiter, _, ok := scalar(args[0])
	items, isList := itemsOf(args[1])
	if !ok || !isList {
		return nil, invalid("%s", usageJoin)
	}
	var plain, masked strings.Builder
	for i, item := range items {
		p, s, ok := scalar(item)
		if !ok {
			return nil, invalid("%s", usageJoin)
		}
		if i > 0 {
			plain.WriteString(delimiter)
			masked.WriteString(delimiter)
		}
		plain.WriteString(p)
		masked.WriteString(s)
		if plain.Len() > maxText {
			return nil, errTooLong()
		}
	}
	return newText(plain.String(), masked.String()), nil
}

// selectItem is Fn::Select.
func selectItem(_ *Instance, args []Value) (Value, error) {
	index, err := strconv.Atoi(Text(args[0]))
	items, ok := itemsOf(args[1])
	if err != nil || !ok {
		return nil, invalid("%s", usageSelect)
	}
	if n := len(items); index >= n && n > 0 && IsSample(items[n-1]) {
		return items[n-1], nil
	}
	if index < 0 || index >= len(items) {
		return nil, invalid("Template error: Fn::Select cannot select nonexistent value at index %d", index)
	}
	return items[index], nil
}

// split is Fn::Split. Parts of a secret are secrets.
func split(_ *Instance, args []Value) (Value, error) {
	delimiter, _, ok1 := scalar(args[0])
	plain, masked, ok2 := scalar(args[1])
	if !ok1 || !ok2 || delimiter == "" {
		return nil, invalid("%s", usageSplit)
	}
	parts := Strings(strings.Split(plain, delimiter))
	if IsSample(args[1]) {
		for i, p := range parts {
			parts[i] = Sample(Text(p))
		}
	}
	if plain != masked {
		for i, p := range parts {
			parts[i] = newText(Text(p), mask)
		}
	}
	return parts, nil
}

// base64Of is Fn::Base64.
func base64Of(_ *Instance, v Value) (Value, error) {
	plain, masked, ok := scalar(v)
	if !ok {
		return nil, invalid("Template error: every Fn::Base64 object must have a String-typed value.")
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(plain))
	if len(encoded) > maxText {
		return nil, errTooLong()
	}
	if plain != masked {
		return newText(encoded, mask), nil
	}
	return encoded, nil
}

// length is Fn::Length of the AWS::LanguageExtensions transform.
func length(_ *Instance, v Value) (Value, error) {
	switch v := v.(type) {
	case List:
		return unquoted(strconv.Itoa(len(v))), nil
	case *Object:
		return unquoted(strconv.Itoa(len(v.keys))), nil
	}
	return nil, invalid("Template error: every Fn::Length object requires a list or a function that returns a list.") // own words
}

// jsonString is Fn::ToJsonString of the AWS::LanguageExtensions transform.
func jsonString(_ *Instance, v Value) (Value, error) {
	switch v.(type) {
	case noValue: // the result of a transform, which is not run
		return "{}", nil
	case List, *Object:
		plain := appendJSON(nil, v, style{typed: true})
		if len(plain) > maxText {
			return nil, errTooLong()
		}
		return newText(string(plain), string(appendJSON(nil, v, style{typed: true, masked: true}))), nil
	}
	return nil, invalid("Template error: every Fn::ToJsonString object requires an object or an array.") // own words
}

// stackOutput is Fn::GetStackOutput.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-getstackoutput.html
func stackOutput(s *Instance, v Value) (Value, error) {
	arguments, _ := v.(*Object)
	stack, output := Text(arguments.Get("StackName")), Text(arguments.Get("OutputName"))
	if stack == "" || output == "" {
		return nil, invalid("Template error: every Fn::GetStackOutput object requires a StackName and an OutputName.") // own words
	}
	region := arguments.Get("Region")
	here := region == nil || Text(region) == Text(s.env.Pseudo(pseudoRegion))
	return s.env.StackOutput(stack, output, here && arguments.Get("RoleArn") == nil)
}

// zones is Fn::GetAZs. An empty Region means the stack's own.
func zones(s *Instance, v Value) (Value, error) {
	region, _, ok := scalar(v)
	if !ok {
		return nil, invalid("Template error: every Fn::GetAZs object must have a String-typed value.")
	}
	if region == "" {
		region = Text(s.env.Pseudo(pseudoRegion))
	}
	return Strings(s.env.Zones(region)), nil
}
