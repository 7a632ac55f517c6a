package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
)

// packTemplate returns the release's version of the stack's template. It takes the
// functions' zips from the bucket in a parameter. zips has two for each function, named
// by functionZip. Their keys contain their hashes, so an update of the stack to another
// release replaces the functions.
func packTemplate(template []byte, zips []file, version string) ([]byte, error) {
	keys := map[string]string{}
	for _, z := range zips {
		keys[z.Name] = objectKey(z)
	}
	codeURI := func(name string) string {
		return fmt.Sprintf("      CodeUri:\n        Bucket: !Ref CodeBucket\n        Key: !If [OnArm, %s, %s]\n", keys[functionZip(name, "arm64")], keys[functionZip(name, "amd64")])
	}
	for _, e := range []struct {
		was, is string
		times   int
	}{
		{"    Metadata: {BuildMethod: makefile, ContextPath: ., WorkingDirectory: ..}  # run in the root of the module\n", "", 3},
		{"      CodeUri: bot/\n", codeURI("bot"), 1},
		{"      CodeUri: notifier/\n", codeURI("notifier"), 1},
		{"      CodeUri: hook/\n", codeURI("hook"), 1},
		{"\nMetadata:\n", "\nMetadata:\n  Countersign: {Version: '" + version + "'}\n", 1},
		{"        Parameters: [Name, SecretArn, ", "        Parameters: [CodeBucket, Name, SecretArn, ", 1},
		{"\nParameters:\n", "\nParameters:\n" + codeBucket, 1},
		{"'Architecture of the functions, which must be built for it: for x86_64, ARCH=amd64 sam build'", "Architecture of the functions", 1},
		{"\nConditions:\n", "\nConditions:\n  OnArm: !Equals [!Ref Architecture, arm64]\n", 1}, // keys of a mapping may not contain the _ of x86_64
	} {
		if n := bytes.Count(template, []byte(e.was)); n != e.times {
			return nil, fmt.Errorf("the template has %q %d times, not %d: change packTemplate with it", e.was, n, e.times)
		}
		template = bytes.ReplaceAll(template, []byte(e.was), []byte(e.is))
	}
	return template, nil
}

const codeBucket = `  CodeBucket:
    Type: String
    Description: Bucket in this Region that holds the functions' zips, under the keys that the template names
    AllowedPattern: '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]'
    ConstraintDescription: must be the name of an S3 bucket
`

func functionZip(name, arch string) string { return name + "-" + arch + ".zip" }

// objectKey returns the key under which the template expects a zip: countersign/, the
// zip's name, and its SHA-256 before the suffix.
func objectKey(z file) string {
	return fmt.Sprintf("countersign/%s-%x.zip", strings.TrimSuffix(z.Name, ".zip"), sha256.Sum256(z.Content))
}
