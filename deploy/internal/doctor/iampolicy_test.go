package doctor

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// Trust policies in the forms that people write. loose: callers can give their session
// another person's name.
func TestTrustPolicies(t *testing.T) {
	const (
		root  = `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`
		allow = `"Effect":"Allow","Action":"sts:AssumeRole",`
		name  = `"sts:RoleSessionName"`
	)
	rooted := func(condition string) string {
		return `{"Version":"2012-10-17","Statement":{` + allow + root + `,"Condition":` + condition + `}}`
	}
	with := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[{` + strings.Join(statements, "},{") + `}]}`
	}
	oidc := func(provider, condition string) string {
		return with(`"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"` + provider + `"},"Condition":` + condition)
	}
	for _, tt := range []struct {
		name, policy string
		loose        bool
	}{
		// One statement or a list, one value or a list.
		{"the account", with(allow + root), true},
		{"a single statement", `{"Version":"2012-10-17","Statement":{` + allow + root + `}}`, true},
		{"no statement", `{"Version":"2012-10-17","Statement":[]}`, false},
		{"the account's number", with(allow + `"Principal":{"AWS":"111122223333"}`), true},
		{"a list of principals", with(allow + `"Principal":{"AWS":["arn:aws:iam::111122223333:role/A","arn:aws:iam::444455556666:user/b"]}`), true},
		{"everyone", with(allow + `"Principal":"*"`), true},
		{"everyone in AWS", with(allow + `"Principal":{"AWS":"*"}`), true},
		{"everyone but one", with(allow + `"NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/x"}`), true},
		{"everyone in the organization", with(allow + `"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}`), true},
		{"another account with an external ID", with(allow + `"Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Condition":{"StringEquals":{"sts:ExternalId":"x"}}`), true},
		{"with MFA", rooted(`{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`), true},
		{"with MFA, as a boolean", rooted(`{"Bool":{"aws:MultiFactorAuthPresent":true}}`), true},
		{"an empty condition", rooted(`{}`), true},
		{"lower-case elements", `{"version":"2012-10-17","statement":{"effect":"Allow","action":"sts:AssumeRole","principal":{"aws":"*"}}}`, true},
		{"an old version", `{"Version":"2008-10-17","Statement":[{"Sid":"","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`, true},

		// Services and federation.
		{"a service", with(allow + `"Principal":{"Service":"lambda.amazonaws.com"}`), false},
		{"services", with(`"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":["ec2.amazonaws.com","pods.eks.amazonaws.com"]}`), false},
		{"a service with its source", with(allow + `"Principal":{"Service":"cloudformation.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"},"ArnLike":{"aws:SourceArn":"arn:aws:cloudformation:*:111122223333:stack/*"}}`), false},
		{"a service and people", with(allow+`"Principal":{"Service":"ec2.amazonaws.com"}`, allow+root), true},
		{"a service and people at once", with(allow + `"Principal":{"Service":"ec2.amazonaws.com","AWS":"arn:aws:iam::111122223333:root"}`), true},
		{"services only, though everyone is named", with(allow + `"Principal":"*","Condition":{"Bool":{"aws:PrincipalIsAWSService":true}}`), false},
		{"Identity Center", with(`"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/AWSSSO_0123_DO_NOT_DELETE"},"Action":["sts:AssumeRoleWithSAML","sts:TagSession"],"Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}`), false},
		{"SAML with every action", with(`"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/Okta"},"Action":"sts:*"`), false},
		{"GitHub Actions", oidc("arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com", `{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"},"StringLike":{"token.actions.githubusercontent.com:sub":"repo:example/app:*"}}`), true},
		{"EKS service account", oidc("arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE", `{"StringEquals":{"oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub":"system:serviceaccount:a:b"}}`), true},
		{"Cognito", oidc("cognito-identity.amazonaws.com", `{"StringEquals":{"cognito-identity.amazonaws.com:aud":"eu-west-1:x"},"ForAnyValue:StringLike":{"cognito-identity.amazonaws.com:amr":"authenticated"}}`), true},
		{"web identity with its subject as name", oidc("accounts.google.com", `{"StringEquals":{"sts:RoleSessionName":"${accounts.google.com:sub}"}}`), false},
		{"AssumeRole by a federated principal, which cannot", with(allow + `"Principal":{"Federated":"accounts.google.com"}`), false},

		// Actions.
		{"every action", with(`"Effect":"Allow","Action":"*",` + root), true},
		{"every action of STS", with(`"Effect":"Allow","Action":"sts:*",` + root), true},
		{"a wildcard inside", with(`"Effect":"Allow","Action":"sts:*Role",` + root), true},
		{"a question mark", with(`"Effect":"Allow","Action":["sts:Assume?ole"],` + root), true},
		{"lower case", with(`"Effect":"Allow","Action":"STS:assumerole",` + root), true},
		{"other actions", with(`"Effect":"Allow","Action":["sts:TagSession","sts:SetSourceIdentity"],` + root), false},
		{"a wildcard that matches other actions", with(`"Effect":"Allow","Action":"sts:Tag*",` + root), false},
		{"NotAction of other actions", with(`"Effect":"Allow","NotAction":"sts:TagSession",` + root), true},
		{"NotAction of the action", with(`"Effect":"Allow","NotAction":["sts:Assume*"],` + root), false},

		// The name.
		{"the user's name", rooted(`{"StringEquals":{` + name + `:"${aws:username}"}}`), false},
		{"the user's name by StringLike", rooted(`{"StringLike":{` + name + `:"${aws:username}"}}`), false},
		{"names in a list", rooted(`{"StringLike":{` + name + `:["${aws:username}"]}}`), false},
		{"operator and key in other case", rooted(`{"stringequals":{"STS:rolesessionname":"${AWS:UserName}"}}`), false},
		{"ignoring case", rooted(`{"StringEqualsIgnoreCase":{` + name + `:"${aws:username}"}}`), false},
		{"IfExists", rooted(`{"StringEqualsIfExists":{` + name + `:"${aws:username}"}}`), false},
		{"ForAnyValue", rooted(`{"ForAnyValue:StringLike":{` + name + `:["${aws:username}","${aws:PrincipalTag/mail}"]}}`), false},
		{"ForAllValues", rooted(`{"ForAllValues:StringEquals":{` + name + `:"${aws:username}"}}`), false},
		{"a tag of the caller", rooted(`{"StringLike":{` + name + `:"${aws:PrincipalTag/Mail, 'none'}"}}`), false},
		{"a suffix after the user's name", rooted(`{"StringLike":{` + name + `:"${aws:username}-*"}}`), false},
		{"every name", rooted(`{"StringLike":{` + name + `:"*"}}`), true},
		{"every name in other words", rooted(`{"StringLike":{` + name + `:"?*"}}`), true},
		{"every name among others", rooted(`{"StringLike":{` + name + `:["${aws:username}","**"]}}`), true},
		{"every name by ForAnyValue, IfExists", rooted(`{"ForAnyValue:StringLikeIfExists":{` + name + `:"??*"}}`), true},
		{"every address", rooted(`{"StringLike":{` + name + `:"*@*"}}`), true},
		{"every address of the domain", rooted(`{"StringLike":{` + name + `:"*@corp.example"}}`), true},
		{"a literal star", rooted(`{"StringEquals":{` + name + `:"*"}}`), false},
		{"an escaped star", rooted(`{"StringLike":{` + name + `:"${*}"}}`), false},
		{"a fixed name", rooted(`{"StringEquals":{` + name + `:"pipeline"}}`), false},
		{"a prefix for no person", rooted(`{"StringLike":{` + name + `:"pipeline-*"}}`), false},
		{"names of several people", rooted(`{"StringEquals":{` + name + `:["ann@corp.example","bob@corp.example"]}}`), true},
		{"each person by a statement", with(
			allow+`"Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},"Condition":{"StringEquals":{`+name+`:"ann@corp.example"}}`,
			allow+`"Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Condition":{"StringEquals":{`+name+`:"bob@corp.example"}}`), false},
		{"whatever name was chosen", rooted(`{"StringEquals":{` + name + `:"${sts:RoleSessionName}"}}`), true},
		{"a tag that the caller sets", rooted(`{"StringEquals":{` + name + `:"${aws:RequestTag/name}"}}`), true},
		{"variables of a version without variables", `{"Statement":{` + allow + root + `,"Condition":{"StringLike":{` + name + `:"${aws:username}"}}}}`, false},
		{"any name but one", rooted(`{"StringNotEquals":{` + name + `:"root"}}`), true},
		{"any name that is given", rooted(`{"Null":{` + name + `:"false"}}`), true},
		{"any name that is given, as a boolean", rooted(`{"Null":{` + name + `:false}}`), true},
		{"no name", rooted(`{"Null":{` + name + `:true}}`), false},
		{"the name and MFA", rooted(`{"StringLike":{` + name + `:"${aws:username}"},"Bool":{"aws:MultiFactorAuthPresent":"true"}}`), false},
		{"the name by one statement, any by another", with(
			allow+root+`,"Condition":{"StringLike":{`+name+`:"${aws:username}"}}`,
			allow+`"Principal":{"AWS":"arn:aws:iam::111122223333:role/Admin"}`), true},
		{"an operator of another type", rooted(`{"NumericEquals":{` + name + `:"1"}}`), true}, // its effect is unknown
		{"an ARN operator with every name", rooted(`{"ArnLike":{` + name + `:"*"}}`), true},

		// Deny.
		{"any other name is denied", with(allow+root, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":"*","Condition":{"StringNotEquals":{`+name+`:"${aws:username}"}}`), false},
		{"any other name is denied to the same principals", with(allow+root, `"Effect":"Deny","Action":"sts:*",`+root+`,"Condition":{"StringNotLike":{`+name+`:"${aws:username}"}}`), false},
		{"any other name is denied to others", with(allow+root, `"Effect":"Deny","Action":"sts:*","Principal":{"AWS":"arn:aws:iam::111122223333:user/x"},"Condition":{"StringNotLike":{`+name+`:"${aws:username}"}}`), true},
		{"any other name is denied, but not to one", with(allow+root, `"Effect":"Deny","Action":"sts:*","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/x"},"Condition":{"StringNotLike":{`+name+`:"${aws:username}"}}`), true},
		{"one name is denied", with(allow+root, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":"*","Condition":{"StringEquals":{`+name+`:"root"}}`), true},
		{"denied without MFA", with(allow+root, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":false}}`), true},
		{"denied", with(allow+root, `"Effect":"Deny","NotAction":"sts:TagSession","Principal":{"AWS":"*"}`), false},
		{"denied to all but services", with(allow+root, `"Effect":"Deny","Action":"sts:AssumeRole","Principal":"*","Condition":{"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}`), false},
		{"another action is denied", with(allow+root, `"Effect":"Deny","Action":"sts:TagSession","Principal":"*"`), true},
	} {
		for _, form := range []string{tt.policy, url.PathEscape(tt.policy), url.QueryEscape(strings.ReplaceAll(tt.policy, " ", ""))} {
			p, err := parsePolicy(form)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if got := p.letsCallersChooseName([]string{"ann@corp.example", "bob@corp.example"}); got != tt.loose {
				t.Errorf("%s: got loose %t, want %t: %s", tt.name, got, tt.loose, form)
			}
		}
	}
}

// Policies of topics. open: anyone in AWS may publish.
func TestOpenTopicPolicies(t *testing.T) {
	with := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[{` + strings.Join(statements, "},{") + `}]}`
	}
	const everyone = `"Effect":"Allow","Principal":{"AWS":"*"},"Action":"SNS:Publish"`
	for _, tt := range []struct {
		name, policy string
		open         bool
	}{
		{"no policy", "", false},
		{"everyone", with(everyone), true},
		{"a single statement", `{"Statement":{` + everyone + `}}`, true},
		{"everyone in a list", with(`"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","*"]},"Action":["sns:GetTopicAttributes","sns:Pub*"]`), true},
		{"NotAction", with(`"Effect":"Allow","Principal":"*","NotAction":"sns:Subscribe"`), true},
		{"NotPrincipal", with(`"Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/x"},"Action":"sns:*"`), true},
		{"the account", with(`"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sns:Publish"`), false},
		{"SNS's default policy", with(everyone + `,"Condition":{"StringEquals":{"AWS:SourceOwner":"111122223333"}}`), false},
		{"the organization", with(everyone + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}`), false},
		{"every organization", with(everyone + `,"Condition":{"StringLike":{"aws:PrincipalOrgID":"o-*"}}`), true},
		{"the organization, if there is one", with(everyone + `,"Condition":{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}`), true},
		{"all of no paths", with(everyone + `,"Condition":{"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/*"}}`), true},
		{"any of the paths", with(everyone + `,"Condition":{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-a1b2c3d4e5/*"}}`), false},
		{"every role of every account", with(everyone + `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:*:iam::*:role/*"}}`), true},
		{"roles of that name", with(everyone + `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:*:iam::*:role/SCLaunch-*"}}`), false},
		{"a bucket", with(everyone + `,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::my-bucket"}}`), false},
		{"any bucket", with(everyone + `,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:*"}}`), true},
		{"everyone but one account", with(everyone + `,"Condition":{"StringNotEquals":{"aws:PrincipalAccount":"444455556666"}}`), true},
		{"TLS only", with(everyone + `,"Condition":{"Bool":{"aws:SecureTransport":true}}`), true},
		{"denied to other organizations", with(everyone, `"Effect":"Deny","Principal":"*","Action":"sns:*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}`), false},
		{"denied without TLS", with(everyone, `"Effect":"Deny","Principal":"*","Action":"sns:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}`), true},
		{"denied", with(everyone, `"Effect":"Deny","Principal":"*","Action":"*"`), false},
		{"a service", with(`"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":"sns:Publish"`), false},
	} {
		p, err := parsePolicy(tt.policy)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if _, got := p.openTo("sns:Publish"); got != tt.open {
			t.Errorf("%s: got open %t, want %t: %s", tt.name, got, tt.open, tt.policy)
		}
	}
}

// Policies of functions.
func TestMayInvoke(t *testing.T) {
	rule := ruleARN("countersign-sweep")
	allow := func(condition string) string {
		return `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"x","Condition":` + condition + `}`
	}
	for _, tt := range []struct {
		name, policy string
		want         bool
	}{
		{"no policy", "", false},
		{"the rule", `{"Statement":[` + allow(`{"ArnLike":{"AWS:SourceArn":"`+rule+`"}}`) + `]}`, true},
		{"a single statement", `{"Statement":` + allow(`{"ArnEquals":{"aws:SourceArn":["x","`+rule+`"]}}`) + `}`, true},
		{"a wildcard", `{"Statement":[` + allow(`{"ArnLike":{"AWS:SourceArn":"arn:aws:events:*:*:rule/countersign-*"}}`) + `]}`, true},
		{"by StringLike", `{"Statement":[` + allow(`{"StringLike":{"AWS:SourceArn":"arn:aws:events:*:rule/countersign-?weep"}}`) + `]}`, true},
		{"the account", `{"Statement":[` + allow(`{"StringEquals":{"AWS:SourceAccount":"111122223333"}}`) + `]}`, true},
		{"another rule", `{"Statement":[` + allow(`{"ArnLike":{"AWS:SourceArn":"`+ruleARN("other")+`"}}`) + `]}`, false},
		{"another account", `{"Statement":[` + allow(`{"StringEquals":{"AWS:SourceAccount":"444455556666"}}`) + `]}`, false},
		{"every other rule", `{"Statement":[` + allow(`{"ArnNotLike":{"AWS:SourceArn":"`+rule+`"}}`) + `]}`, false},
		{"every action", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"lambda:*"}]}`, true},
		{"another service", `{"Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"lambda:InvokeFunction"}]}`, false},
		{"denied", `{"Statement":[` + allow(`{}`) + `,{"Effect":"Deny","Principal":"*","Action":"lambda:Invoke*"}]}`, false},
	} {
		if got, err := mayInvoke(tt.policy, rule); err != nil || got != tt.want {
			t.Errorf("%s: got %t, %v; want %t", tt.name, got, err, tt.want)
		}
	}
	if _, err := mayInvoke("{", rule); err == nil {
		t.Error("a broken policy was read")
	}
}

// No policy panics or is read as two things.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringLike":{"a":["${","${aws:username}","*",true,1]}}}}`)
	f.Add(`%7B%7D`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePolicy(text)
		if err != nil {
			return
		}
		loose := p.letsCallersChooseName([]string{"a@b", ""})
		p.openTo("sns:Publish")
		if _, err := mayInvoke(text, ruleARN("r")); err != nil {
			t.Error(err)
		}
		if b, err := json.Marshal(text); err == nil && len(b) > 0 && p.letsCallersChooseName([]string{"a@b", ""}) != loose {
			t.Error("the same policy is read differently")
		}
	})
}
