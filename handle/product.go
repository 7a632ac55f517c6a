package handle

import "strings"

// Product is the launch as Service Catalog's own stack tags describe it. Fields
// are empty where the tags could not be read. See
// https://docs.aws.amazon.com/servicecatalog/latest/adminguide/autotags.html
type Product struct {
	Name          string `json:"name,omitempty"`          // the template's Title, else the stack's description
	ID            string `json:"id,omitempty"`            // prod-…
	ProductName   string `json:"productName,omitempty"`   // of ID, from Service Catalog; empty if it could not be read
	Version       string `json:"version,omitempty"`       // provisioning artifact, pa-…
	VersionName   string `json:"versionName,omitempty"`   // of Version, likewise
	Portfolio     string `json:"portfolio,omitempty"`     // port-…
	Provisioned   string `json:"provisioned,omitempty"`   // name of the provisioned product
	ProvisionedID string `json:"provisionedId,omitempty"` // pp-…
}

const (
	maxProductTitle = 100 // bytes
	maxVersionTitle = 30  // bytes
)

// Title is the best name of the product, in one line of at most 100 bytes: Service
// Catalog's names of product and version, such as "Message queue, v3"; else the
// template's; else the name of the provisioned product, or the product's ID. It is
// empty if none is known.
func (p Product) Title() string {
	version := OneLine(p.VersionName, maxVersionTitle)
	if version != "" {
		version = ", " + version
	}
	if name := OneLine(p.ProductName, maxProductTitle-len(version)); name != "" {
		return name + version
	}
	for _, s := range []string{p.Name, p.Provisioned, p.ID} {
		if s = OneLine(s, maxProductTitle); s != "" && !Garbled(s) {
			return s
		}
	}
	return ""
}

// VersionLabel is the version's name, else its ID.
func (p Product) VersionLabel() string {
	if p.VersionName != "" {
		return p.VersionName
	}
	return p.Version
}

// AccountLabel is the account's configured label with its ID, such as
// "production (111122223333)"; without a label, the ID.
func (s Stack) AccountLabel() string {
	if s.AccountName == "" {
		return s.Account
	}
	return s.AccountName + " (" + s.Account + ")"
}

// Garbled reports whether at least a third of text is question marks. CloudFormation
// returns them for every non-ASCII character in a stack's description and outputs.
func Garbled(text string) bool {
	text = strings.Join(strings.Fields(text), "")
	n := strings.Count(text, "?")
	return n >= 2 && 3*n >= len([]rune(text))
}
