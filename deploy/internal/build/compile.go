package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// program is a binary to build. OS and Arch are Go's names.
type program struct {
	Package, OS, Arch string
	Version           string // that --version prints; empty for functions, which are the same in all releases with the same sources
}

func function(name, arch string) program {
	return program{Package: "countersign/deploy/" + name, OS: "linux", Arch: arch}
}

// compile builds a program. Its flags keep the binary the same on all machines: without
// paths, the state of the repository and the build ID. lambda.norpc omits the code for the
// retired go1.x runtime; -s and -w omit debugging data.
func compile(p program) ([]byte, error) {
	folder, err := os.MkdirTemp("", "countersign-build-")
	if err != nil {
		return nil, fmt.Errorf("couldn't create a build folder: %w", err)
	}
	defer os.RemoveAll(folder)
	link := "-s -w -buildid="
	if p.Version != "" {
		link += " -X main.version=" + p.Version
	}
	binary := filepath.Join(folder, "program")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", link, "-o", binary, p.Package)
	// Override the user's settings with Go's defaults.
	build.Env = append(os.Environ(), "GOOS="+p.OS, "GOARCH="+p.Arch, "GOARM64=v8.0", "GOAMD64=v1", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("couldn't build %s for %s/%s: %w", p.Package, p.OS, p.Arch, err)
	}
	return os.ReadFile(binary)
}
