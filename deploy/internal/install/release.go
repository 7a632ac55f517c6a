package install

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// release is an unpacked release. See deploy/internal/build.
type release struct {
	version  string
	template []byte
	objects  []object // the functions' zips
	rules    map[string]rule
}

// object is a file for the bucket.
type object struct {
	key     string
	content []byte
}

// rule is what the template says about a parameter.
type rule struct {
	Type                  string   `yaml:"Type"`
	AllowedPattern        string   `yaml:"AllowedPattern"`
	AllowedValues         []string `yaml:"AllowedValues"`
	ConstraintDescription string   `yaml:"ConstraintDescription"`
}

// keys are the names of the zips in the bucket, as packTemplate of deploy/internal/build
// writes them.
var keyPattern = regexp.MustCompile(`countersign/((?:bot|notifier|hook)-(?:arm64|amd64))-([0-9a-f]{64})\.zip`)

// openRelease reads the release in folder, or that of this program, and compares the
// zips with the hashes in the template.
func openRelease(folder string) (release, error) {
	if folder == "" {
		program, err := os.Executable()
		if err != nil {
			return release{}, fmt.Errorf("couldn't find this program's folder: %w", err)
		}
		folder = filepath.Dir(program)
	}
	template, err := os.ReadFile(filepath.Join(folder, "template.yaml"))
	if errors.Is(err, os.ErrNotExist) {
		return release{}, fmt.Errorf("%s is not an unpacked release: it has no template.yaml; give its folder with --release", folder)
	}
	if err != nil {
		return release{}, err
	}
	r := release{template: template}
	var t struct {
		Metadata struct {
			Countersign struct {
				Version string `yaml:"Version"`
			} `yaml:"Countersign"`
		} `yaml:"Metadata"`
		Parameters map[string]rule `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(template, &t); err != nil {
		return release{}, fmt.Errorf("template.yaml cannot be parsed: %w", err)
	}
	r.version, r.rules = t.Metadata.Countersign.Version, t.Parameters
	for _, found := range keyPattern.FindAllStringSubmatch(string(template), -1) {
		key, name, sum := found[0], found[1]+".zip", found[2]
		if slices.ContainsFunc(r.objects, func(o object) bool { return o.key == key }) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return release{}, fmt.Errorf("the release is not complete: %w", err)
		}
		if fmt.Sprintf("%x", sha256.Sum256(content)) != sum {
			return release{}, fmt.Errorf("%s is not the file that template.yaml names: unpack the release again", name)
		}
		r.objects = append(r.objects, object{key, content})
	}
	if len(r.objects) == 0 {
		return release{}, fmt.Errorf("%s names no zips: it is not the template of a release", filepath.Join(folder, "template.yaml"))
	}
	return r, nil
}

// templateObject is the template, under a key that names its content.
func (r release) templateObject() object {
	return object{fmt.Sprintf("countersign/template-%x.yaml", sha256.Sum256(r.template)), r.template}
}

// check reports why value cannot be the value of a parameter. What it does not check,
// such as the range of numbers, CloudFormation does.
func (r release) check(name, value string) error {
	rule, known := r.rules[name]
	if !known {
		return fmt.Errorf("the template has no parameter %s", name)
	}
	values := []string{value}
	if rule.Type == "CommaDelimitedList" {
		values = strings.Split(value, ",")
	}
	for _, v := range values {
		if len(rule.AllowedValues) > 0 && !slices.Contains(rule.AllowedValues, v) {
			return fmt.Errorf("%s must be one of %s", name, strings.Join(rule.AllowedValues, ", "))
		}
		if rule.AllowedPattern == "" {
			continue
		}
		pattern, err := regexp.Compile(`^(?:` + rule.AllowedPattern + `)$`)
		if err == nil && !pattern.MatchString(strings.TrimSpace(v)) {
			return fmt.Errorf("%s %s", name, rule.ConstraintDescription)
		}
	}
	return nil
}
