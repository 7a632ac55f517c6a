// Package deploy holds what is deployed: templates, and below it the programs.
package deploy

import _ "embed"

// Product is the sample product's template, product.yaml.
//
//go:embed product.yaml
var Product []byte
