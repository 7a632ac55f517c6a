package hook

import (
	"errors"
	"regexp"
	"strings"
)

// stack is what a stack's ARN says.
type stack struct {
	partition, region, name string
}

// parseStack parses arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/NAME/ID.
func parseStack(arn string) (stack, error) {
	fields := strings.SplitN(arn, ":", 6)
	if len(fields) != 6 || fields[0] != "arn" || fields[2] != "cloudformation" {
		return stack{}, errors.New("the event has no stack ARN")
	}
	path := strings.Split(fields[5], "/")
	if len(path) != 3 || path[0] != "stack" || path[1] == "" {
		return stack{}, errors.New("the event has no stack ARN")
	}
	return stack{fields[1], fields[3], path[1]}, nil
}

// stackSetPrefix begins the name of every stack of a stack set.
const stackSetPrefix = "StackSet-"

func (s stack) hasPrefix(prefix string) bool {
	return strings.HasPrefix(s.name, prefix) || strings.HasPrefix(s.name, stackSetPrefix+prefix)
}

// nestedName matches what CloudFormation names stacks inside the stacks that Service
// Catalog makes: the name of the stack around it, its logical ID and a random ending.
// Service Catalog names stacks itself, so a launch cannot choose such a name.
var nestedName = regexp.MustCompile(`^(?:SC-\d{12}-pp-[a-z0-9]+|StackSet-SC-\d{12}-pp-[a-z0-9]+-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-.`)

// nested reports whether s is a nested stack of a product. Its template has no gate: the
// resource of the stack around it waits for the verdict.
func (s stack) nested() bool { return nestedName.MatchString(s.name) }

// bucketSuffix returns what the hosts of S3 in the stack's partition end with.
func (s stack) bucketSuffix() string {
	switch s.partition {
	case "aws-cn":
		return "amazonaws.com.cn"
	case "aws-eusc":
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}
