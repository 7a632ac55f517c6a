// Package deploy holds the CloudFormation templates and, in its folders, the
// programs.
package deploy

import (
	_ "embed"
	"net/url"
	"strings"
)

// Product is the template of the sample product, product.yaml.
//
//go:embed product.yaml
var Product []byte

// SlackManifest is the manifest of the Slack app, slack.yaml.
//
//go:embed slack.yaml
var SlackManifest []byte

// SlackAppLink opens Slack's form for a new app with a manifest in JSON. See
// https://docs.slack.dev/app-manifests/configuring-apps-with-app-manifests
func SlackAppLink(manifest string) string {
	return "https://api.slack.com/apps?new_app=1&manifest_json=" + strings.ReplaceAll(url.QueryEscape(manifest), "+", "%20")
}
