package e2e_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"countersign/handle"
)

// difference is a behavior in which MiniStack differs from AWS and the simulated
// CloudFormation does not.
type difference struct {
	description string
	apply       func(scenario, transcript) transcript // turns the simulated transcript into MiniStack's
}

// differences of MiniStack 1.5.33, each confirmed in its source, with the source for
// AWS's behavior.
var differences = []difference{
	{
		// Observed on AWS: the event that first shows the physical ID.
		description: `there is no event "Resource creation Initiated"`,
		apply: func(_ scenario, m transcript) transcript {
			m.Events = without(m.Events, func(l eventLine) bool { return l.Reason == "Resource creation Initiated" })
			return m
		},
	}, {
		// AWS has such events for signals of a CreationPolicy:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-creationpolicy.html
		description: "each new signal to a waiting wait condition has an event",
		apply: func(s scenario, m transcript) transcript {
			end := slices.IndexFunc(m.Events, func(l eventLine) bool {
				return l.LogicalID == "ApprovalWait" && (l.Status == "CREATE_COMPLETE" || l.Status == "CREATE_FAILED")
			})
			if end >= 0 {
				m.Events = slices.Insert(slices.Clone(m.Events), end, signalEvents(s)...)
			}
			return m
		},
	}, {
		// Observed on AWS: the reason is quoted, with the request's ID.
		description: "a custom resource's reason is not quoted",
		apply:       rewriteReasons(`^Received response status \[FAILED\] from custom resource\. Message returned: (.*) \(RequestId: [0-9a-f-]{36}\)$`, "$1"),
	}, {
		// A resource that failed to be created may exist in part, so AWS deletes it:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
		description: "resources that failed to be created are not deleted",
		apply: func(_ scenario, m transcript) transcript {
			failed := map[string]bool{}
			for _, l := range m.Events {
				failed[l.LogicalID] = failed[l.LogicalID] || l.LogicalID != "" && l.Status == "CREATE_FAILED"
			}
			m.Events = without(m.Events, func(l eventLine) bool { return failed[l.LogicalID] && strings.HasPrefix(l.Status, "DELETE_") })
			m.Requests = without(m.Requests, func(r request) bool { return failed[r.LogicalResourceId] && r.RequestType == "Delete" })
			return m
		},
	}, {
		// Observed on AWS.
		description: "a rollback's reason does not name the failed resources",
		apply:       rewriteReasons(`^The following resource\(s\) failed to create: \[\w+\]\. Rollback requested by user\.$`, "Rollback requested"),
	}, {
		// On AWS the event has no reason.
		description: "the end of a rollback has a reason",
		apply: func(_ scenario, m transcript) transcript {
			return m.replace(eventLine{"", "ROLLBACK_COMPLETE", ""}, eventLine{"", "ROLLBACK_COMPLETE", "Rollback complete"})
		},
	}, {
		// Observed on AWS.
		description: "a deletion's event has no reason",
		apply: func(_ scenario, m transcript) transcript {
			return m.replace(eventLine{"", "DELETE_IN_PROGRESS", "User Initiated"}, eventLine{"", "DELETE_IN_PROGRESS", ""})
		},
	}, {
		// AWS cancels the creation and then deletes:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-delete-stack.html
		description: "a deletion does not cancel the creation",
		apply: func(_ scenario, m transcript) transcript {
			m.Events = without(m.Events, func(l eventLine) bool { return l.Reason == "Resource creation cancelled" })
			return m
		},
	}, {
		// AWS's wait handle is an object in S3, which accepts anything.
		description: "an invalid signal is rejected with 400, and the wait continues",
		apply: func(s scenario, m transcript) transcript {
			for _, l := range m.Events {
				if l.Reason != "Unparsable WaitCondition data" {
					continue
				}
				m = m.replace(l, eventLine{l.LogicalID, l.Status, failureReason(s.signals[1])})
				m.Puts = append([]int{400}, m.Puts[1:]...)
			}
			return m
		},
	}, {
		// AWS deletes a resource before its dependencies, or keeps both:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-delete-stack.html
		description: "the dependencies of a resource are deleted although its own deletion failed",
		apply: func(_ scenario, m transcript) transcript {
			at := slices.IndexFunc(m.Events, func(l eventLine) bool { return l.LogicalID == "ApprovalRequest" && l.Status == "DELETE_FAILED" })
			if at >= 0 {
				m.Events = slices.Insert(slices.Clone(m.Events), at+1,
					eventLine{"ApprovalHandle", "DELETE_IN_PROGRESS", ""}, eventLine{"ApprovalHandle", "DELETE_COMPLETE", ""})
			}
			return m
		},
	}, {
		// Observed on AWS: a trailing space.
		description: "the reason of a failed deletion has no trailing space",
		apply:       rewriteReasons(`^(The following resource\(s\) failed to delete: \[\w+\]\.) $`, "$1"),
	}, {
		// AWS creates independent resources in parallel:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-dependson.html
		description: "resources are created one after another",
		apply: func(_ scenario, m transcript) transcript {
			m.Events = slices.Clone(m.Events)
			for i := len(m.Events) - 1; i >= 0; i-- {
				begun := m.Events[i]
				if begun.LogicalID == "" || begun.Status != "CREATE_IN_PROGRESS" {
					continue
				}
				next := slices.IndexFunc(m.Events[i+1:], func(l eventLine) bool { return l.LogicalID == begun.LogicalID })
				if next > 0 { // move the start event there
					copy(m.Events[i:], m.Events[i+1:i+1+next])
					m.Events[i+next] = begun
				}
			}
			return m
		},
	}, {
		// As AWS shows it: {"Signal1":"Application has completed configuration."}
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-waitcondition.html
		description: "the signals' data has spaces after colons and commas",
		apply: func(_ scenario, m transcript) transcript {
			if data, ok := m.Outputs["Data"]; ok {
				m.Outputs = maps.Clone(m.Outputs)
				m.Outputs["Data"] = strings.NewReplacer(`":"`, `": "`, `","`, `", "`).Replace(data)
			}
			return m
		},
	}, {
		// On AWS resources have the status CREATE_IN_PROGRESS from the start of their
		// creation:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
		description: "a resource is listed only once it has been created",
		apply: func(_ scenario, m transcript) transcript {
			m.Requests = slices.Clone(m.Requests)
			for i := range m.Requests {
				m.Requests[i].Listed = ""
			}
			return m
		},
	}, {
		// AWS restores the previous values of an updated resource by updating it again,
		// and then deletes the physical resource that is no longer used:
		// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes-update.html
		description: "the rollback of an update does not call a custom resource that answered with a new physical ID",
		apply: func(s scenario, m transcript) transcript {
			m.Requests = without(m.Requests, func(r request) bool {
				return r.RequestType == "Update" && slices.Contains(s.replaced, r.LogicalResourceId) && strings.HasSuffix(r.PhysicalResourceId, "-updated")
			})
			return m
		},
	}, {
		// https://docs.aws.amazon.com/lambda/latest/dg/services-cloudformation.html
		description: "a custom resource request has no top-level ServiceToken",
		apply: func(_ scenario, m transcript) transcript {
			m.Requests = slices.Clone(m.Requests)
			for i := range m.Requests {
				m.Requests[i].ServiceToken = ""
			}
			return m
		},
	},
}

func without[T any](list []T, drop func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), drop)
}

func rewriteReasons(pattern, into string) func(scenario, transcript) transcript {
	match := regexp.MustCompile(pattern)
	return func(_ scenario, m transcript) transcript {
		m.Events = slices.Clone(m.Events)
		for i := range m.Events {
			m.Events[i].Reason = match.ReplaceAllString(m.Events[i].Reason, into)
		}
		return m
	}
}

func (m transcript) replace(from, into eventLine) transcript {
	m.Events = slices.Clone(m.Events)
	for i, l := range m.Events {
		if l == from {
			m.Events[i] = into
		}
	}
	return m
}

// body parses a signal; ok is false if it is invalid.
func body(signal string) (b handle.SignalBody, ok bool) {
	err := json.Unmarshal([]byte(signal), &b)
	return b, err == nil
}

// signalEvents returns MiniStack's events of a scenario's signals.
func signalEvents(s scenario) []eventLine {
	known := map[string]bool{}
	for _, signal := range s.earlySignals {
		b, _ := body(signal)
		known[b.UniqueID] = true
	}
	var lines []eventLine
	for _, signal := range s.signals {
		if b, ok := body(signal); ok && !known[b.UniqueID] {
			known[b.UniqueID] = true
			lines = append(lines, eventLine{"ApprovalWait", "CREATE_IN_PROGRESS", "Received " + b.Status + " signal with UniqueId " + b.UniqueID})
		}
	}
	return lines
}

// failureReason returns the reason of a wait condition that a signal failed.
func failureReason(signal string) string {
	b, _ := body(signal)
	return "WaitCondition received failed message: '" + b.Reason + "' for uniqueId: " + b.UniqueID
}
