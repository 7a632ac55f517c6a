package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"countersign/deploy/internal/testtools"
)

const (
	region  = "us-east-1"
	account = "111122223333"
)

// ministack is shared by all tests. The first test that needs it starts it, and
// TestMain stops it.
var ministack struct {
	sync.Mutex
	*program
	home string
	err  error
}

func TestMain(m *testing.M) {
	if os.Getenv(killedEnv) != "" {
		startAndWait()
	}
	if err := flag.Set("test.parallel", "4"); err != nil { // scenarios mostly wait
		panic(err)
	}
	code := m.Run()
	if ministack.program != nil {
		ministack.stop()
	}
	if ministack.home != "" {
		_ = os.RemoveAll(ministack.home)
	}
	os.Exit(code)
}

// startMiniStack returns the shared MiniStack. Its log is shown if the test fails.
func startMiniStack(t *testing.T) *program {
	t.Helper()
	path := testtools.Path(t, "ministack/bin/ministack")
	ministack.Lock()
	defer ministack.Unlock()
	if ministack.program == nil && ministack.err == nil {
		ministack.program, ministack.err = newMiniStack(path)
	}
	if ministack.err != nil {
		t.Fatalf("couldn't start MiniStack: %v", ministack.err)
	}
	ministack.logOnFailure(t)
	return ministack.program
}

func newMiniStack(path string) (*program, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if ministack.home, err = os.MkdirTemp("", "countersign-ministack-"); err != nil {
		return nil, err
	}
	origin := fmt.Sprintf("http://127.0.0.1:%d", port)
	return run(origin, "/_ministack/ready", environment(ministack.home,
		"BIND_HOST=127.0.0.1", // by default this and the next two services listen on all addresses
		"IOT_MTLS_ENABLED=0",
		"SFTP_ENABLED=0",
		"GATEWAY_PORT="+strconv.Itoa(port),
		"MINISTACK_HOST=127.0.0.1",
		"MINISTACK_ACCOUNT_ID="+account,
		"MINISTACK_REGION="+region,
		"LAMBDA_EXECUTOR=local", // functions run as local processes
		"AWS_ENDPOINT_URL="+origin,
		"S3_DATA_DIR="+filepath.Join(ministack.home, "s3"),
		"STATE_DIR="+filepath.Join(ministack.home, "state"),
	), path)
}
