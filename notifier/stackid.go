package notifier

import "strings"

// parseStackID splits a stack ARN,
// arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID.
func parseStackID(arn string) (region, account, name string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "cloudformation" {
		return "", "", "", false
	}
	path := strings.Split(parts[5], "/")
	if len(path) != 3 || path[0] != "stack" || path[1] == "" || path[2] == "" {
		return "", "", "", false
	}
	return parts[3], parts[4], path[1], true
}
