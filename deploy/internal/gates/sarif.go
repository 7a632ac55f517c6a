package gates

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"countersign/deploy/gate"
)

// The parts of SARIF 2.1.0 that a report needs.
//
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string             `json:"id"`
		Short   sarifMessage       `json:"shortDescription"`
		Default sarifConfiguration `json:"defaultConfiguration"`
	}
	sarifConfiguration struct {
		Level gate.Level `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     gate.Level      `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     gate.Level      `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	}
)

func printSARIF(w io.Writer, files []linted) error {
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "countersign gate lint"}},
		Invocations: []sarifInvocation{{Successful: true}}, ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
	}
	index := map[string]int{}
	for i, rule := range gate.Rules() {
		index[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{rule.ID, sarifMessage{rule.About}, sarifConfiguration{rule.Level}})
	}
	for _, f := range files {
		at := func(line, column int) sarifLocation {
			return sarifLocation{Physical: sarifPhysical{sarifArtifact{uri(f.name)}, sarifRegion{line, column}}}
		}
		if f.err != nil {
			line, column := position(f.err)
			run.Invocations[0].Successful = false
			run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{gate.LevelError, sarifMessage{f.err.Error()}, []sarifLocation{at(line, column)}})
		}
		for _, one := range f.findings {
			location := at(one.Line, one.Column)
			if one.Resource != "" {
				location.Logical = []sarifLogical{{one.Resource, "resource"}}
			}
			run.Results = append(run.Results, sarifResult{one.ID, index[one.ID], one.Level, sarifMessage{one.Message + ". " + one.Fix}, []sarifLocation{location}})
		}
	}
	return encode(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// uri returns a file's name as a URI: relative names stay relative.
func uri(name string) string {
	name = filepath.ToSlash(name)
	u := url.URL{Path: name}
	if filepath.IsAbs(name) {
		u.Scheme = "file"
	}
	return strings.TrimPrefix(u.String(), "./")
}
