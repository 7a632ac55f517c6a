package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"maps"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill collects the release's software bill of materials (SBOM): which modules are in
// which file. It has no time, and its serial number is derived from its content, so the
// same release has the same SBOM. See https://cyclonedx.org/docs/1.6/json/
type bill struct {
	Version string // of the release

	files   []cdx.Component
	modules map[string]cdx.Component // by reference
	uses    []cdx.Dependency
}

// add adds a file of the release, with the modules that its binary records.
func (b *bill) add(f file, binary []byte) error {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return fmt.Errorf("couldn't read the modules of %s: %w", f.Name, err)
	}
	if b.modules == nil {
		b.modules = map[string]cdx.Component{}
	}
	refs := []string{b.module("std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		refs = append(refs, b.module(m.Path, m.Version, m.Sum))
	}
	ref := "file:" + f.Name
	b.files = append(b.files, cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeFile, Name: f.Name, Version: b.Version,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sha256.Sum256(f.Content))}},
	})
	b.uses = append(b.uses, cdx.Dependency{Ref: ref, Dependencies: &refs})
	return nil
}

// module adds a Go module and returns its reference. sum is the module's line of
// go.sum.
func (b *bill) module(path, version, sum string) string {
	ref := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: ref}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "countersign:go.sum", Value: sum}}
	}
	b.modules[ref] = c
	return ref
}

// encode returns the SBOM as CycloneDX JSON.
func (b *bill) encode() ([]byte, error) {
	const self = "countersign"
	var refs []string
	for _, f := range b.files {
		refs = append(refs, f.BOMRef)
	}
	modules := slices.SortedFunc(maps.Values(b.modules), func(x, y cdx.Component) int { return cmp.Compare(x.BOMRef, y.BOMRef) })
	components := append(slices.Clone(b.files), modules...)
	uses := append([]cdx.Dependency{{Ref: self, Dependencies: &refs}}, b.uses...)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: self, Type: cdx.ComponentTypeApplication, Name: "countersign", Version: b.Version,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
	}}
	bom.Components, bom.Dependencies = &components, &uses
	content, err := encode(bom)
	if err != nil {
		return nil, err
	}
	bom.SerialNumber = serialNumber(content)
	return encode(bom)
}

func encode(bom *cdx.BOM) ([]byte, error) {
	var b bytes.Buffer
	err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return b.Bytes(), err
}

// serialNumber returns a version 8 UUID of the content. See
// https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-8
func serialNumber(content []byte) string {
	sum := sha256.Sum256(content)
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
