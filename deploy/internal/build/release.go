package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

type release struct {
	Out      string   `arg:"" placeholder:"FOLDER" help:"New or empty folder for the release."`
	Version  string   `arg:"" optional:"" default:"devel" help:"Version of the release, such as 1.2.0."`
	Platform []string `enum:"linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64" default:"linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64" help:"Platforms of the command line: ${enum}."`
}

var versionPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$`)

// Run builds a release of the module in the current directory: the functions' zips,
// the template that names them, and per platform an archive with these and the command
// line. SHA256SUMS has the SHA-256 of each file, in the format of sha256sum.
func (r *release) Run() error {
	if !versionPattern.MatchString(r.Version) {
		return fmt.Errorf("%q is not a version, such as 1.2.0", r.Version)
	}
	if err := emptyFolder(r.Out); err != nil {
		return err
	}
	b := bill{Version: r.Version}
	common, err := r.common(&b)
	if err != nil {
		return err
	}
	files := slices.DeleteFunc(slices.Clone(common), func(f file) bool { return f.Name == "LICENSE" })
	for _, platform := range r.Platform {
		archive, err := r.archive(platform, common, &b)
		if err != nil {
			return err
		}
		files = append(files, archive)
	}
	sbom, err := b.encode()
	if err != nil {
		return fmt.Errorf("couldn't encode the SBOM: %w", err)
	}
	files = append(files, file{"countersign_" + r.Version + ".cdx.json", 0o644, sbom})
	return r.write(append(files, checksums(files)))
}

// common builds what is the same for all platforms, and adds the functions to the
// SBOM.
func (r *release) common(b *bill) ([]file, error) {
	var zips []file
	for _, name := range []string{"bot", "notifier", "hook"} {
		for _, arch := range []string{"amd64", "arm64"} {
			binary, err := compile(function(name, arch))
			if err != nil {
				return nil, err
			}
			z := file{Name: functionZip(name, arch), Mode: 0o644}
			if z.Content, err = zipFunction(binary); err != nil {
				return nil, fmt.Errorf("couldn't pack %s: %w", z.Name, err)
			}
			if err := b.add(z, binary); err != nil {
				return nil, err
			}
			zips = append(zips, z)
		}
	}
	template, err := os.ReadFile("deploy/template.yaml")
	if err != nil {
		return nil, err
	}
	if template, err = packTemplate(template, zips, r.Version); err != nil {
		return nil, err
	}
	files := append(zips, file{"template.yaml", 0o644, template})
	for name, source := range map[string]string{"LICENSE": "LICENSE", "slack.yaml": "deploy/slack.yaml"} {
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, 0o644, content})
	}
	sortFiles(files)
	return files, nil
}

// archive builds the command line for a platform, OS/ARCH, and packs it with the
// common files.
func (r *release) archive(platform string, common []file, b *bill) (file, error) {
	os, arch, _ := strings.Cut(platform, "/")
	binary, err := compile(program{Package: "countersign/deploy/countersign", OS: os, Arch: arch, Version: r.Version})
	if err != nil {
		return file{}, err
	}
	folder := fmt.Sprintf("countersign_%s_%s_%s", r.Version, os, arch)
	command, suffix, pack := "countersign", ".tar.gz", tarFiles
	if os == "windows" {
		command, suffix, pack = "countersign.exe", ".zip", zipFiles
	}
	files := append(slices.Clone(common), file{command, 0o755, binary})
	sortFiles(files)
	for i := range files {
		files[i].Name = path.Join(folder, files[i].Name)
	}
	archive := file{Name: folder + suffix, Mode: 0o644}
	if archive.Content, err = pack(files); err != nil {
		return file{}, fmt.Errorf("couldn't pack %s: %w", archive.Name, err)
	}
	return archive, b.add(archive, binary)
}

func (r *release) write(files []file) error {
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(r.Out, f.Name), f.Content, f.Mode); err != nil {
			return fmt.Errorf("couldn't write %s: %w", f.Name, err)
		}
		fmt.Printf("%s  %d bytes\n", filepath.Join(r.Out, f.Name), len(f.Content))
	}
	return nil
}

// emptyFolder creates a folder. It refuses one with files, which SHA256SUMS would not
// list.
func emptyFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("couldn't create the output folder: %w", err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return errors.New(folder + " is not empty: give a new folder")
	}
	return nil
}

// checksums returns the file SHA256SUMS, which sha256sum -c reads. It also lists the
// subjects of a provenance attestation.
func checksums(files []file) file {
	sortFiles(files)
	var sums []byte
	for _, f := range files {
		sums = fmt.Appendf(sums, "%x  %s\n", sha256.Sum256(f.Content), f.Name)
	}
	return file{"SHA256SUMS", 0o644, sums}
}

func sortFiles(files []file) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.Name, b.Name) })
}
