package fakecfn

import "strings"

// scope is what the expressions of one stack are evaluated in.
type scope struct {
	engine     *Engine
	program    *program
	stack      *stack
	parameters []value // as the program's parameters
	conditions []bool  // as the program's conditions
}

// Pseudo parameters.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html
const (
	pseudoAccountID        = "AWS::AccountId"
	pseudoNoValue          = "AWS::NoValue"
	pseudoNotificationARNs = "AWS::NotificationARNs"
	pseudoPartition        = "AWS::Partition"
	pseudoRegion           = "AWS::Region"
	pseudoStackID          = "AWS::StackId"
	pseudoStackName        = "AWS::StackName"
	pseudoURLSuffix        = "AWS::URLSuffix"
)

func isPseudo(name string) bool {
	switch name {
	case pseudoAccountID, pseudoNoValue, pseudoNotificationARNs, pseudoPartition, pseudoRegion, pseudoStackID,
		pseudoStackName, pseudoURLSuffix:
		return true
	}
	return false
}

// pseudo returns the value of a pseudo parameter.
func (s *scope) pseudo(name string) value {
	switch name {
	case pseudoAccountID:
		return s.engine.cfg.Account
	case pseudoNotificationARNs:
		return texts(s.stack.notificationARNs)
	case pseudoPartition:
		return s.engine.partition
	case pseudoRegion:
		return s.engine.cfg.Region
	case pseudoStackID:
		return s.stack.id
	case pseudoStackName:
		return s.stack.name
	case pseudoURLSuffix:
		if s.engine.partition == "aws-cn" {
			return "amazonaws.com.cn"
		}
		return "amazonaws.com"
	}
	return absent{}
}

// madeUp stands for a resource that a transform which is not run here would have made.
func (s *scope) madeUp(name string) value {
	return s.stack.name + "-" + name + "-" + madeID(s.stack.uuid+name, 12, upperAlnum)
}

func (s *scope) findInMap(keys [3]expr, fallback expr) (value, error) {
	var words [3]string
	for i, e := range keys {
		v, err := e.eval(s)
		if err != nil {
			return nil, err
		}
		words[i] = plain(v)
	}
	if v, ok := s.program.mappings[words[0]][words[1]][words[2]]; ok {
		return v, nil
	}
	if fallback != nil {
		return fallback.eval(s)
	}
	if s.program.lenient {
		return s.madeUp(strings.Join(words[:], "-")), nil
	}
	return nil, invalid("Template error: Unable to get mapping for %s", strings.Join(words[:], "::"))
}

// importValue returns the value of another stack's export and notes that it is in use.
func (s *scope) importValue(name string) (value, error) {
	export, ok := s.engine.exports[name]
	if !ok {
		return nil, invalid("No export named %s found", name)
	}
	s.stack.imports[name] = true
	return export.value, nil
}
