package awsconfig

import (
	"encoding/json"
	"io"
	"strings"
)

// Policy is an IAM policy document. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type Policy struct {
	Version   string // "2012-10-17"
	Statement []Statement
}

// Statement allows actions on resources.
type Statement struct {
	Sid       string
	Effect    string // "Allow"
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"`
}

// NewPolicy returns a policy of the current version.
func NewPolicy(statements ...Statement) Policy { return Policy{"2012-10-17", statements} }

// Allow returns a statement that allows actions on resources.
func Allow(sid string, actions, resources []string) Statement {
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// Actions lists every action that p allows.
func (p Policy) Actions() (list []string) {
	for _, s := range p.Statement {
		list = append(list, s.Action...)
	}
	return list
}

// Write prints p as indented JSON.
func (p Policy) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(p)
}

// Scope is the Region and account that ARNs are of. An empty field matches any.
type Scope struct{ Region, Account string }

// ARN returns the ARN of a resource in s, such as "table/countersign".
func (s Scope) ARN(service, resource string) string {
	partition := "aws"
	switch {
	case s.china():
		partition = "aws-cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		partition = "aws-us-gov"
	}
	region := orAny(s.Region)
	if service == "iam" {
		region = "" // IAM is global
	}
	return strings.Join([]string{"arn", partition, service, region, orAny(s.Account), resource}, ":")
}

// Decrypt allows the use of any KMS key through the services alone: a table or a
// secret may be encrypted with a customer managed key.
func (s Scope) Decrypt(services ...string) Statement {
	var via []string
	for _, service := range services {
		via = append(via, service+"."+orAny(s.Region)+"."+s.Domain())
	}
	d := Allow("Decrypt", []string{"kms:Decrypt"}, []string{s.ARN("kms", "key/*")})
	d.Condition = map[string]map[string][]string{"StringLike": {"kms:ViaService": via}}
	return d
}

// Domain returns the domain of the endpoints of AWS in s.
func (s Scope) Domain() string {
	if s.china() {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func (s Scope) china() bool { return strings.HasPrefix(s.Region, "cn-") }

// Table returns the ARNs of a DynamoDB table and its indexes.
func (s Scope) Table(name string) []string {
	return []string{s.ARN("dynamodb", "table/"+name), s.ARN("dynamodb", "table/"+name+"/index/*")}
}

func orAny(s string) string {
	if s == "" {
		return "*"
	}
	return s
}
