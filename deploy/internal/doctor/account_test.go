package doctor

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"countersign/deploy/internal/function"
	"countersign/handle"
	"countersign/handle/dynamo"
)

// fakeAWS is an AWS account, as far as the doctor reads one. It speaks the services'
// own protocols, refuses what they refuse, and fails the test on calls that would
// change something.
type fakeAWS struct {
	t testing.TB

	mu     sync.Mutex
	denied []string // IAM actions; some with a resource's name behind them
	calls  []string // such as sns:GetTopicAttributes

	stackName, stackStatus string
	outputs                map[string]string
	resources              []resource
	catalog                []resource               // of the stack countersign-catalog; nil if it does not exist
	products               map[string][]fakeVersion // by ID, the oldest version first
	functions              map[string]*fakeFunction
	secretText             string
	secretChanged          time.Time
	secretGone             bool
	table                  map[string]any // as in DescribeTable; nil if it does not exist
	backups                string
	requests               []handle.Request
	topics                 map[string]*fakeTopic
	rules                  map[string]*fakeRule
	heartbeat              time.Time // of the last datapoint; zero if none
	invoked                time.Time // when the bot was invoked last; zero if not within hours
	pending                float64
	alarms                 []map[string]any
	messages               int // in the failure queue
	noQueue                bool
	roles                  map[string]string // SimulatePrincipalPolicy's decision by name
	trust                  map[string]string // trust policy by name; others trust Lambda
}

type fakeFunction struct {
	config      map[string]any
	env         map[string]string
	concurrency *int
	policy      string
}

// fakeVersion is a version of a product. Its template is missing if it is empty.
type fakeVersion struct {
	name, template string
	inactive       bool
}

// product answers DescribeProductAsAdmin.
func (a *fakeAWS) product(id string) (any, *apiError) {
	versions, ok := a.products[id]
	if !ok {
		return nil, notFound("ResourceNotFoundException")
	}
	var summaries []map[string]any
	for i, v := range versions {
		summaries = append(summaries, map[string]any{"Id": fmt.Sprintf("pa-%d", i), "Name": v.name, "CreatedTime": 1_700_000_000 + i})
	}
	return map[string]any{
		"ProductViewDetail":             map[string]any{"ProductViewSummary": map[string]any{"Name": "Name of " + id, "ProductId": id}},
		"ProvisioningArtifactSummaries": summaries,
	}, nil
}

// artifact answers DescribeProvisioningArtifact, which gives the template only if asked to be verbose.
func (a *fakeAWS) artifact(product, id string, verbose bool) (any, *apiError) {
	for i, v := range a.products[product] {
		if fmt.Sprintf("pa-%d", i) != id {
			continue
		}
		info := map[string]string{"TemplateUrl": "https://s3.amazonaws.com/templates/" + id}
		if verbose && v.template != "" {
			info["CloudFormationTemplate"] = v.template
		}
		return map[string]any{"Status": "AVAILABLE", "Info": info, "ProvisioningArtifactDetail": map[string]any{
			"Id": id, "Name": v.name, "Active": !v.inactive, "Type": "CLOUD_FORMATION_TEMPLATE",
		}}, nil
	}
	return nil, notFound("ResourceNotFoundException")
}

type fakeTopic struct {
	byLink        bool // subscriptions were confirmed by their link
	policy        string
	subscriptions [][2]string // endpoint, and ARN or PendingConfirmation
}

type fakeRule struct {
	State, ScheduleExpression, EventPattern string
	targets                                 []string
}

// apiError is an error response of a service.
type apiError struct {
	status  int
	code    string
	message string
}

func notFound(code string) *apiError {
	return &apiError{http.StatusBadRequest, code, "not found"}
}

// ServeHTTP implements http.Handler.
func (a *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		a.t.Errorf("%s %s is not signed", r.Method, r.URL.Path)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		a.t.Error(err)
	}
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(r.URL.Path, "/service/GraniteServiceVersion20100801/operation/"):
		a.serveCBOR(w, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], body)
	case target != "":
		a.serveJSON(w, target, body)
	case strings.HasPrefix(r.URL.Path, "/schedules/"):
		a.writeJSON(w, nil, notFound("ResourceNotFoundException"))
	case strings.Contains(r.URL.Path, "/functions/"):
		a.serveLambda(w, r)
	default:
		form, err := url.ParseQuery(string(body))
		if err != nil {
			a.t.Error(err)
		}
		a.serveQuery(w, form)
	}
}

func (a *fakeAWS) record(operation string) *apiError {
	a.calls = append(a.calls, operation)
	if slices.Contains(a.denied, operation) {
		return &apiError{http.StatusForbidden, "AccessDeniedException", "not authorized to perform " + operation}
	}
	return nil
}

func (a *fakeAWS) writeJSON(w http.ResponseWriter, answer any, no *apiError) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if no != nil {
		w.Header().Set("X-Amzn-Errortype", no.code)
		w.WriteHeader(no.status)
		answer = map[string]string{"__type": no.code, "message": no.message, "Message": no.message}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

// serveLambda answers Lambda's REST API. See
// https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
func (a *fakeAWS) serveLambda(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 4 || r.Method != http.MethodGet {
		a.t.Errorf("unexpected call to Lambda: %s %s", r.Method, r.URL.Path)
		return
	}
	operation := map[string]string{"configuration": "GetFunctionConfiguration", "concurrency": "GetFunctionConcurrency", "policy": "GetPolicy"}[parts[3]]
	if no := a.record("lambda:" + operation); no != nil {
		a.writeJSON(w, nil, no)
		return
	}
	f := a.functions[parts[2]]
	if f == nil || operation == "GetPolicy" && f.policy == "" {
		a.writeJSON(w, nil, &apiError{http.StatusNotFound, "ResourceNotFoundException", "Function not found"})
		return
	}
	switch operation {
	case "GetFunctionConfiguration":
		f.config["Environment"] = map[string]any{"Variables": f.env}
		if f.env == nil {
			f.config["Environment"] = map[string]any{"Error": map[string]string{"ErrorCode": "KMSAccessDeniedException", "Message": "Lambda was unable to decrypt the environment variables"}}
		}
		a.writeJSON(w, f.config, nil)
	case "GetFunctionConcurrency":
		answer := map[string]int{}
		if f.concurrency != nil {
			answer["ReservedConcurrentExecutions"] = *f.concurrency
		}
		a.writeJSON(w, answer, nil)
	case "GetPolicy":
		a.writeJSON(w, map[string]string{"Policy": f.policy, "RevisionId": "1"}, nil)
	default:
		a.t.Errorf("unexpected call to Lambda: %s", r.URL.Path)
	}
}

// serveJSON answers the services that speak AWS's JSON protocols.
func (a *fakeAWS) serveJSON(w http.ResponseWriter, target string, body []byte) {
	service, operation, _ := strings.Cut(target, ".")
	prefix := map[string]string{"secretsmanager": "secretsmanager", "DynamoDB_20120810": "dynamodb", "AWSEvents": "events", "AmazonSQS": "sqs", "AWS242ServiceCatalogService": "servicecatalog"}[service]
	if no := a.record(prefix + ":" + operation); no != nil {
		a.writeJSON(w, nil, no)
		return
	}
	var in struct {
		SecretId, TableName, IndexName, Name, Rule, QueueUrl, Id, ProductId, ProvisioningArtifactId string //nolint: the services' names
		Verbose                                                                                     bool
		Key                                                                                         map[string]map[string]string
	}
	if err := json.Unmarshal(body, &in); err != nil {
		a.t.Error(err)
	}
	if slices.Contains(a.denied, prefix+":"+operation+" "+cmp.Or(in.Name, in.Rule, in.Key["StackKey"]["S"]+"-"+in.Key["GateKey"]["S"])) {
		a.writeJSON(w, nil, &apiError{http.StatusForbidden, "AccessDeniedException", "not authorized to perform " + operation})
		return
	}
	var answer any
	var no *apiError
	switch target {
	case "secretsmanager.GetSecretValue":
		answer = map[string]any{"ARN": in.SecretId, "SecretString": a.secretText, "CreatedDate": a.secretChanged.Unix()}
		if a.secretGone {
			no = notFound("ResourceNotFoundException")
		}
	case "DynamoDB_20120810.DescribeTable":
		answer = map[string]any{"Table": a.table}
		no = a.noTable(in.TableName)
	case "DynamoDB_20120810.DescribeContinuousBackups":
		answer = map[string]any{"ContinuousBackupsDescription": map[string]any{"ContinuousBackupsStatus": "ENABLED",
			"PointInTimeRecoveryDescription": map[string]string{"PointInTimeRecoveryStatus": a.backups}}}
		no = a.noTable(in.TableName)
	case "DynamoDB_20120810.Query":
		answer, no = a.queryResult(in.IndexName), a.noTable(in.TableName)
	case "DynamoDB_20120810.BatchGetItem":
		answer = a.items()
	case "DynamoDB_20120810.GetItem":
		answer, no = a.item(in.Key["StackKey"]["S"]+"-"+in.Key["GateKey"]["S"]), a.noTable(in.TableName)
	case "AWSEvents.DescribeRule":
		if r := a.rules[in.Name]; r != nil {
			answer = map[string]string{"Name": in.Name, "Arn": ruleARN(in.Name), "State": r.State, "ScheduleExpression": r.ScheduleExpression, "EventPattern": r.EventPattern}
		} else {
			no = notFound("ResourceNotFoundException")
		}
	case "AWSEvents.ListTargetsByRule":
		var targets []map[string]string
		for i, t := range a.rules[in.Rule].targets {
			targets = append(targets, map[string]string{"Id": fmt.Sprint(i), "Arn": t})
		}
		answer = map[string]any{"Targets": targets}
	case "AmazonSQS.GetQueueAttributes":
		answer = map[string]any{"Attributes": map[string]string{"ApproximateNumberOfMessages": fmt.Sprint(a.messages), "ApproximateNumberOfMessagesNotVisible": "0"}}
		if a.noQueue {
			w.Header().Set("X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
			no = notFound("com.amazonaws.sqs#QueueDoesNotExist")
		}
	case "AWS242ServiceCatalogService.DescribeProductAsAdmin":
		answer, no = a.product(in.Id)
	case "AWS242ServiceCatalogService.DescribeProvisioningArtifact":
		answer, no = a.artifact(in.ProductId, in.ProvisioningArtifactId, in.Verbose)
	default:
		a.t.Errorf("unexpected call: %s", target)
	}
	a.writeJSON(w, answer, no)
}

func (a *fakeAWS) noTable(name string) *apiError {
	if a.table == nil || a.table["TableName"] != name {
		return notFound("ResourceNotFoundException")
	}
	return nil
}

// queryResult is the result of the store's query of an index, which reads the keys.
func (a *fakeAWS) queryResult(index string) any {
	items := []map[string]any{}
	for _, r := range a.requests {
		if index == "Due" && r.NextDue().IsZero() {
			continue
		}
		key, gate, _ := handle.SplitID(r.ID)
		items = append(items, map[string]any{"StackKey": map[string]string{"S": key}, "GateKey": map[string]string{"S": gate}})
	}
	return map[string]any{"Items": items, "Count": len(items)}
}

// items is the result of BatchGetItem for all requests.
func (a *fakeAWS) items() any {
	var list []any
	for _, r := range a.requests {
		list = append(list, a.item(r.ID).(map[string]any)["Item"])
	}
	return map[string]any{"Responses": map[string]any{"countersign": list}, "UnprocessedKeys": map[string]any{}}
}

func (a *fakeAWS) item(id string) any {
	for _, r := range a.requests {
		if r.ID == id {
			record, err := handle.Encode(r)
			if err != nil {
				a.t.Error(err)
			}
			return map[string]any{"Item": map[string]any{"Record": map[string]string{"S": string(record)}}}
		}
	}
	return map[string]any{}
}

// tableDescription is DescribeTable's result for the store's table.
func tableDescription(name string) map[string]any {
	b, _ := json.Marshal(dynamo.Table(name))
	var t map[string]any
	_ = json.Unmarshal(b, &t)
	t["TableStatus"], t["DeletionProtectionEnabled"] = "ACTIVE", true
	for _, index := range t["GlobalSecondaryIndexes"].([]any) {
		index.(map[string]any)["IndexStatus"] = "ACTIVE"
	}
	return map[string]any{"TableName": t["TableName"], "TableStatus": t["TableStatus"], "DeletionProtectionEnabled": true,
		"KeySchema": t["KeySchema"], "AttributeDefinitions": t["AttributeDefinitions"], "GlobalSecondaryIndexes": t["GlobalSecondaryIndexes"]}
}

// serveCBOR answers CloudWatch, which speaks Smithy's RPC protocol. See
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
func (a *fakeAWS) serveCBOR(w http.ResponseWriter, operation string, body []byte) {
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	if no := a.record("cloudwatch:" + operation); no != nil {
		w.WriteHeader(no.status)
		_, _ = w.Write(cbor.Encode(cbor.Map{"__type": cbor.String(no.code), "message": cbor.String(no.message)}))
		return
	}
	answer := cbor.Map{}
	switch operation {
	case "ListMetrics":
		metrics := cbor.List{}
		if !a.heartbeat.IsZero() {
			metrics = append(metrics, cbor.Map{"Namespace": cbor.String(function.Namespace), "MetricName": cbor.String(function.OldestPending),
				"Dimensions": cbor.List{cbor.Map{"Name": cbor.String(functionName), "Value": cbor.String("countersign-notifier")}}})
		}
		answer["Metrics"] = metrics
	case "GetMetricStatistics":
		in, err := cbor.Decode(body)
		if err != nil {
			a.t.Error(err)
		}
		if in.(cbor.Map)["MetricName"] == cbor.String("Invocations") {
			answer["Datapoints"] = cbor.List{}
			if !a.invoked.IsZero() {
				answer["Datapoints"] = cbor.List{cbor.Map{"Timestamp": &cbor.Tag{ID: 1, Value: cbor.Float64(a.invoked.Truncate(time.Minute).Unix())}, "Sum": cbor.Float64(2), "Unit": cbor.String("Count")}}
			}
			break
		}
		answer["Label"] = cbor.String(function.OldestPending)
		answer["Datapoints"] = cbor.List{}
		if time.Since(a.heartbeat) < heartbeatWindow {
			answer["Datapoints"] = cbor.List{cbor.Map{"Timestamp": &cbor.Tag{ID: 1, Value: cbor.Float64(a.heartbeat.Unix())}, "Maximum": cbor.Float64(a.pending), "Unit": cbor.String("Seconds")}}
		}
	case "DescribeAlarms":
		alarms := cbor.List{}
		for _, alarm := range a.alarms {
			m := cbor.Map{}
			for name, value := range alarm {
				switch v := value.(type) {
				case string:
					m[name] = cbor.String(v)
				case bool:
					m[name] = cbor.Bool(v)
				case []string:
					list := cbor.List{}
					for _, s := range v {
						list = append(list, cbor.String(s))
					}
					m[name] = list
				}
			}
			alarms = append(alarms, m)
		}
		answer["MetricAlarms"] = alarms
	default:
		a.t.Errorf("unexpected call to CloudWatch: %s", operation)
	}
	_, _ = w.Write(cbor.Encode(answer))
}

// serveQuery answers the services that speak AWS's Query protocol.
func (a *fakeAWS) serveQuery(w http.ResponseWriter, form url.Values) {
	action := form.Get("Action")
	prefix := map[string]string{
		"GetCallerIdentity": "sts", "DescribeStacks": "cloudformation", "ListStackResources": "cloudformation",
		"ListSubscriptionsByTopic": "sns", "GetSubscriptionAttributes": "sns", "GetTopicAttributes": "sns", "GetRole": "iam", "SimulatePrincipalPolicy": "iam",
	}[action]
	no := a.record(prefix + ":" + action)
	var answer string
	if no == nil {
		answer, no = a.query(action, form)
	}
	w.Header().Set("Content-Type", "text/xml")
	if no != nil {
		w.WriteHeader(no.status)
		_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>", no.code, no.message)
		return
	}
	_, _ = fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>", action, answer)
}

func (a *fakeAWS) query(action string, form url.Values) (string, *apiError) {
	var b strings.Builder
	switch action {
	case "GetCallerIdentity":
		return "<Arn>arn:aws:sts::111122223333:assumed-role/Admin/ann</Arn><UserId>AROA:ann</UserId><Account>111122223333</Account>", nil
	case "DescribeStacks":
		status, outputs := a.stackStatus, a.outputs
		switch name := form.Get("StackName"); {
		case name == "countersign-catalog" && a.catalog != nil:
			status, outputs = "CREATE_COMPLETE", nil
		case name != a.stackName || a.stackStatus == "":
			return "", notFound("ValidationError")
		}
		fmt.Fprintf(&b, "<Stacks><member><StackName>x</StackName><CreationTime>2026-11-20T10:02:03Z</CreationTime><StackStatus>%s</StackStatus><StackStatusReason>a test reason</StackStatusReason><Outputs>", status)
		for key, value := range outputs {
			fmt.Fprintf(&b, "<member><OutputKey>%s</OutputKey><OutputValue>%s</OutputValue></member>", key, escapeXML(value))
		}
		b.WriteString("</Outputs></member></Stacks>")
	case "ListStackResources":
		resources := a.resources
		if form.Get("StackName") == "countersign-catalog" {
			resources = a.catalog
		}
		b.WriteString("<StackResourceSummaries>")
		for _, r := range resources {
			fmt.Fprintf(&b, "<member><ResourceType>%s</ResourceType><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>2026-11-20T10:02:03Z</LastUpdatedTimestamp></member>", r.kind, r.logical, escapeXML(r.physical))
		}
		b.WriteString("</StackResourceSummaries>")
	case "ListSubscriptionsByTopic":
		topic := a.topics[form.Get("TopicArn")]
		if topic == nil {
			return "", &apiError{http.StatusNotFound, "NotFound", "Topic does not exist"}
		}
		b.WriteString("<Subscriptions>")
		for _, s := range topic.subscriptions {
			fmt.Fprintf(&b, "<member><TopicArn>%s</TopicArn><Protocol>email</Protocol><Endpoint>%s</Endpoint><SubscriptionArn>%s</SubscriptionArn><Owner>111122223333</Owner></member>", form.Get("TopicArn"), s[0], s[1])
		}
		b.WriteString("</Subscriptions>")
	case "GetSubscriptionAttributes":
		arn := form.Get("SubscriptionArn")
		topic := a.topics[arn[:strings.LastIndex(arn, ":")]]
		if topic == nil {
			return "", &apiError{http.StatusNotFound, "NotFound", "Subscription does not exist"}
		}
		fmt.Fprintf(&b, "<Attributes><entry><key>SubscriptionArn</key><value>%s</value></entry><entry><key>ConfirmationWasAuthenticated</key><value>%t</value></entry></Attributes>", arn, !topic.byLink)
	case "GetTopicAttributes":
		topic := a.topics[form.Get("TopicArn")]
		if topic == nil {
			return "", &apiError{http.StatusNotFound, "NotFound", "Topic does not exist"}
		}
		fmt.Fprintf(&b, "<Attributes><entry><key>TopicArn</key><value>%s</value></entry><entry><key>Policy</key><value>%s</value></entry></Attributes>", form.Get("TopicArn"), escapeXML(topic.policy))
	case "GetRole":
		name := form.Get("RoleName")
		if a.roles[name] == "" && a.trust[name] == "" {
			return "", &apiError{http.StatusNotFound, "NoSuchEntity", "The role cannot be found"}
		}
		fmt.Fprintf(&b, "<Role><Path>/</Path><RoleName>%[1]s</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::111122223333:role/%[1]s</Arn><AssumeRolePolicyDocument>%[2]s</AssumeRolePolicyDocument><CreateDate>2026-11-20T10:02:03Z</CreateDate></Role>", name, url.PathEscape(cmp.Or(a.trust[name], trustPolicy(`"Service":"lambda.amazonaws.com"`, "sts:AssumeRole", ""))))
	case "SimulatePrincipalPolicy":
		source := form.Get("PolicySourceArn")
		decision := cmp.Or(a.roles[source[strings.LastIndex(source, "/")+1:]], "implicitDeny")
		fmt.Fprintf(&b, "<EvaluationResults><member><EvalActionName>%s</EvalActionName><EvalResourceName>%s</EvalResourceName><EvalDecision>%s</EvalDecision></member></EvaluationResults><IsTruncated>false</IsTruncated>",
			form.Get("ActionNames.member.1"), form.Get("ResourceArns.member.1"), decision)
	default:
		a.t.Errorf("unexpected call: %s", action)
	}
	return b.String(), nil
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// trustPolicy returns a role's trust policy with one statement.
func trustPolicy(principal, action, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{` + principal + `},"Action":["` + action + `","sts:TagSession"]` + condition + `}]}`
}

func ruleARN(name string) string { return "arn:aws:events:eu-west-1:111122223333:rule/" + name }
