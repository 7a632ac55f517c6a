package gate

import "slices"

// Functions that only the Rules section may use.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html

func stringsOf(v Value) ([]string, bool) {
	l, ok := v.(List)
	if !ok {
		return nil, false
	}
	out := make([]string, len(l))
	for i, item := range l {
		out[i] = Text(item)
	}
	return out, true
}

// contains is Fn::Contains: the list contains the string.
func contains(_ *Instance, args []Value) (Value, error) {
	items, ok1 := stringsOf(args[0])
	want, _, ok2 := scalar(args[1])
	if !ok1 || !ok2 {
		return nil, invalid("%s", usageOf(fnContains))
	}
	return slices.Contains(items, want), nil
}

// eachMemberEquals is Fn::EachMemberEquals: every member of the list is the string.
func eachMemberEquals(_ *Instance, args []Value) (Value, error) {
	items, ok1 := stringsOf(args[0])
	want, _, ok2 := scalar(args[1])
	if !ok1 || !ok2 {
		return nil, invalid("%s", usageOf(fnEachMemberEquals))
	}
	return !slices.ContainsFunc(items, func(s string) bool { return s != want }), nil
}

// eachMemberIn is Fn::EachMemberIn: every member of the first list is in the second.
func eachMemberIn(_ *Instance, args []Value) (Value, error) {
	items, ok1 := stringsOf(args[0])
	within, ok2 := stringsOf(args[1])
	if !ok1 || !ok2 {
		return nil, invalid("%s", usageOf(fnEachMemberIn))
	}
	return !slices.ContainsFunc(items, func(s string) bool { return !slices.Contains(within, s) }), nil
}

// refAll is Fn::RefAll: the values of all parameters of a type.
func refAll(s *Instance, v Value) (Value, error) {
	var all List
	for i, p := range s.program.parameters {
		if p.Type != Text(v) {
			continue
		}
		if many, ok := s.parameters[i].(List); ok {
			all = append(all, many...)
			continue
		}
		all = append(all, s.parameters[i])
	}
	return all, nil
}

// emptyList stands in for Fn::ValueOf and Fn::ValueOfAll, which read attributes of existing resources such as VPCs.
// Rules that use them are compiled and never evaluated.
func emptyList(*Instance, []Value) (Value, error) { return List{}, nil }
