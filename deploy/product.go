// Package deploy holds the CloudFormation templates and, in its folders, the
// programs.
package deploy

import _ "embed"

// Product is the template of the sample product, product.yaml.
//
//go:embed product.yaml
var Product []byte

// SlackManifest is the manifest of the Slack app, slack.yaml.
//
//go:embed slack.yaml
var SlackManifest []byte
