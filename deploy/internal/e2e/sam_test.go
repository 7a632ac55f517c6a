package e2e_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/deploy/internal/testtools"
)

var built struct {
	sync.Once
	err error
}

// samBuild builds the functions with sam build, once for all tests, and returns the
// built template.
func samBuild(t *testing.T) (template string) {
	t.Helper()
	sam := testtools.Path(t, "sam/bin/sam")
	folder := filepath.Join(ministack.home, "build")
	built.Do(func() {
		var said []byte
		said, built.err = command(t, sam, "build", "--template", "deploy/template.yaml", "--build-dir", folder)
		if built.err != nil {
			built.err = errors.New(built.err.Error() + ":\n" + string(said))
		}
	})
	if built.err != nil {
		t.Fatalf("couldn't build: %v", built.err)
	}
	return filepath.Join(folder, "template.yaml")
}

// sam runs a SAM command on a built template, with MiniStack as its AWS.
func (d *deployment) sam(t *testing.T, template string, args ...string) {
	t.Helper()
	args = append(args[:1:1], append([]string{"--template-file", template}, args[1:]...)...)
	if said, err := command(t, testtools.Path(t, "sam/bin/sam"), args...); err != nil {
		t.Fatalf("sam %s: %v:\n%s", args[0], err, said)
	}
}

// command runs a program in the module's root, with MiniStack as its AWS, for up to
// five minutes.
func command(t *testing.T, name string, args ...string) (said []byte, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = testtools.Root(t)
	cmd.Env = environment(ministack.home, append(goFolders(t),
		"AWS_ENDPOINT_URL="+ministack.origin, "SAM_CLI_TELEMETRY=0", "ARCH=amd64")...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	timer := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Run()
	return both.Bytes(), err
}

// goFolders returns the environment of Go's caches and proxies.
func goFolders(t *testing.T) (env []string) {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB"}
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatalf("couldn't run go env: %v", err)
	}
	values := strings.Split(string(out), "\n")
	for i, name := range names {
		env = append(env, name+"="+values[i])
	}
	return append(env, "GOTOOLCHAIN=local")
}

// sam build and our own build produce the same binaries, byte for byte.
func TestSAMBuildsTheSame(t *testing.T) {
	startMiniStack(t) // only for its home directory
	built, zips := filepath.Dir(samBuild(t)), t.TempDir()
	if said, err := command(t, "go", "run", "./deploy/internal/build", "--arch", "amd64", "--out", zips); err != nil {
		t.Fatalf("couldn't build: %v:\n%s", err, said)
	}
	for folder, name := range map[string]string{"BotFunction": "bot.zip", "NotifierFunction": "notifier.zip", "HookFunction": "hook.zip"} {
		sams, err := os.ReadFile(filepath.Join(built, folder, "bootstrap"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.OpenReader(filepath.Join(zips, name))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		ours, err := fs.ReadFile(z, "bootstrap")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(sams, ours) {
			t.Errorf("%s: sam build's binary (%d bytes) differs from the one in %s (%d bytes)", folder, len(sams), name, len(ours))
		}
	}
}
