package handle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Content is what exactly is launched. An approval binds its digest. Values of
// NoEcho parameters can't be read, and count only where the gate passes them on; a
// template that may not be read does not count.
type Content struct {
	Product    string `json:"product,omitempty"`    // prod-…
	Version    string `json:"version,omitempty"`    // provisioning artifact, pa-…
	Template   string `json:"template,omitempty"`   // digest of the template as GetTemplate returns it; empty if it may not be read
	Parameters string `json:"parameters,omitempty"` // digest of the stack's parameters, as DescribeStacks returns them
	Account    string `json:"account,omitempty"`
	Region     string `json:"region,omitempty"`
	Principal  string `json:"principal,omitempty"` // the proven requester

	// What the gate itself passes on, so that every change of it is an Update of
	// the request resource: GateDigest of its property Parameters, and its property
	// Template. Empty for gates of earlier releases, whose updates do not ask.
	GateParameters string `json:"gateParameters,omitempty"`
	GateTemplate   string `json:"gateTemplate,omitempty"`
}

// Digest identifies the content: equal digests mean that the same product version,
// template and parameters are launched in the same account and Region by the same
// requester. It is empty for requests of earlier releases.
func (c Content) Digest() string {
	if c == (Content{}) {
		return ""
	}
	b, err := json.Marshal(c)
	if err != nil {
		return "" // cannot be: the fields are strings
	}
	return digest(string(b))
}

// SameGate reports whether an update from c to d changes nothing that the gate
// passes on.
func (c Content) SameGate(d Content) bool {
	return c.GateParameters == d.GateParameters && c.GateTemplate == d.GateTemplate
}

// ParametersDigest returns the digest of names and values, in any order.
func ParametersDigest(list []Field) string {
	if len(list) == 0 {
		return ""
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	b, err := json.Marshal(list)
	if err != nil {
		return "" // cannot be: the fields are strings
	}
	return digest(string(b))
}

// GateDigest returns the digest of what a gate passes on as Parameters, in any order.
// It is keyed, because CloudFormation passes on NoEcho values in clear: without the
// key, readers of the record could guess short ones.
func GateDigest(key []byte, list []Field) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("countersign gate parameters\n" + ParametersDigest(list)))
	return hex.EncodeToString(mac.Sum(nil))
}

// TemplateDigest returns the digest of a template's text; empty for an empty text.
func TemplateDigest(body string) string {
	if body == "" {
		return ""
	}
	return digest(body)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Change is one difference between what was approved and what an update brings.
type Change struct {
	Name string `json:"name"`
	Old  string `json:"old"` // redacted; empty if there was none
	New  string `json:"new"` // redacted; empty if it is removed
}

// Represents returns how many changes c stands for: more than one if it counts those
// that had no room. See [Field.Represents].
func (c Change) Represents() int {
	return max(Field{c.Name, c.Old}.Represents(), Field{c.Name, c.New}.Represents())
}

// Changes lists the differences between two lists of redacted parameters, by name.
func Changes(old, new []Field) []Change {
	var list []Change
	values := map[string]string{}
	for _, f := range old {
		values[f.Name] = f.Value
	}
	for _, f := range new {
		before, had := values[f.Name]
		if !had || before != f.Value {
			list = append(list, Change{Name: f.Name, Old: before, New: f.Value})
		}
		delete(values, f.Name)
	}
	for name, value := range values {
		list = append(list, Change{Name: name, Old: value})
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return list
}
