package interop_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/deploy/internal/testtools"
)

// typed is JSON, and the type that it shall have.
type typed struct{ kind, json, where string }

// tsHead imports Slack's types. To the payloads it adds what Slack's documentation
// shows and Bolt's types leave out: an enterprise of null outside of Enterprise
// Grid, a pressed button's style, and a submitter's username. See
// https://docs.slack.dev/reference/interaction-payloads
const tsHead = `import type { KnownBlock, MessageMetadata, ModalView } from "@slack/types";
import type { BlockAction, ButtonAction, ViewErrorsResponseAction, ViewSubmitAction } from "@slack/bolt";
type OutsideOfGrid<T> = Omit<T, "enterprise"> & { enterprise: null };
type Press = OutsideOfGrid<BlockAction<ButtonAction & { style?: "primary" | "danger" }>>;
type Submission = OutsideOfGrid<ViewSubmitAction> & { user: { username: string } };
`

// TestSlackTypes has Slack's own types check all that we send to Slack, and all
// that the made Slack sends to us.
func TestSlackTypes(t *testing.T) {
	testtools.Path(t, "slack/node_modules")
	rec := record(t)
	var list []typed
	for _, c := range rec.calls {
		for field, kind := range map[string]string{"blocks": "KnownBlock[]", "view": "ModalView", "metadata": "MessageMetadata"} {
			if s := c.form.Get(field); s != "" {
				list = append(list, typed{kind, s, c.method})
			}
		}
		if c.form.Get("attachments") != "" {
			t.Errorf("%s: an attachment", c.method)
		}
	}
	for _, c := range rec.clicks {
		kind := "Press"
		if strings.Contains(c.payload(t), `"type":"view_submission"`) {
			kind = "Submission"
		}
		list = append(list, typed{kind, c.payload(t), "the made Slack"})
		if c.answer != "" {
			list = append(list, typed{"ViewErrorsResponseAction", c.answer, "the bot's answer"})
		}
	}
	list = append(list, goldens(t)...)

	count := map[string]int{}
	for _, v := range list {
		count[v.where+" "+v.kind]++
	}
	for _, want := range []string{
		"chat.postMessage KnownBlock[]", "chat.update KnownBlock[]", "views.open ModalView", "the made Slack Press", "the made Slack Submission",
		"the bot's answer ViewErrorsResponseAction", "golden KnownBlock[]",
	} {
		if count[want] == 0 {
			t.Errorf("nothing of %s, only %v", want, count)
		}
	}
	faults := tsc(t, list)
	for i, fault := range faults {
		t.Errorf("%s is no %s: %s\n%s", list[i].where, list[i].kind, fault, list[i].json)
	}
}

// goldens are the messages of the notifier's own tests: every state that a
// request can be in.
func goldens(t *testing.T) (list []typed) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testtools.Root(t), "notifier", "testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var views []struct{ Blocks json.RawMessage }
		if json.Unmarshal(b, &views) != nil {
			views = make([]struct{ Blocks json.RawMessage }, 1)
			if err := json.Unmarshal(b, &views[0]); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		for _, v := range views {
			list = append(list, typed{"KnownBlock[]", string(v.Blocks), "golden"})
		}
	}
	return list
}

// TestSlackTypesRefuse makes sure that the types refuse what is wrong.
func TestSlackTypesRefuse(t *testing.T) {
	testtools.Path(t, "slack/node_modules")
	list := []typed{
		{kind: "KnownBlock[]", json: `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`},
		{kind: "KnownBlock[]", json: `[{"type":"section","text":{"type":"mrkdwn","txt":"x"}}]`},
		{kind: "KnownBlock[]", json: `[{"type":"section","field":[]}]`},
		{kind: "KnownBlock[]", json: `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"style":"warning"}]}]`},
		{kind: "KnownBlock[]", json: `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"value":7}]}]`},
		{kind: "KnownBlock[]", json: `[{"type":"unknown"}]`},
		{kind: "KnownBlock[]", json: `{}`},
		{kind: "ModalView", json: `{"type":"modal","blocks":[]}`},
		{kind: "ModalView", json: `{"type":"modal","title":{"type":"plain_text","text":"x"},"blocks":[],"metadata":"x"}`},
		{kind: "Press", json: `{"type":"block_actions"}`},
		{kind: "ViewErrorsResponseAction", json: `{"response_action":"errors","errors":"x"}`},
	}
	faults := tsc(t, list)
	for i, v := range list {
		if faults[i] == "" {
			t.Errorf("Slack's types take %s for %s", v.json, v.kind)
		}
	}
}

// A diagnostic of the compiler: all.ts(LINE,COLUMN): error TS1234: what.
var diagnostic = regexp.MustCompile(`(?m)^all\.ts\((\d+),\d+\): error (TS\d+: .*)$`)

// tsc has TypeScript check the list, and returns what it finds wrong, by index.
// It has two minutes.
func tsc(t *testing.T, list []typed) (faults map[int]string) {
	t.Helper()
	var src strings.Builder
	src.WriteString(tsHead)
	before := strings.Count(tsHead, "\n")
	for i, v := range list {
		line := strings.NewReplacer("\n", " ", "\r", " ").Replace(v.json) // inside of a JSON string there are none
		fmt.Fprintf(&src, "export const x%d: %s = %s;\n", i, v.kind, line)
	}
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{"files": []string{"all.ts"}, "compilerOptions": map[string]any{
		"strict": true, "exactOptionalPropertyTypes": true, "noEmit": true, "skipLibCheck": true,
		"module": "nodenext", "target": "es2023", "types": []string{},
	}})
	if err != nil {
		t.Fatal(err)
	}
	modules := testtools.Path(t, "slack/node_modules")
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "all.ts"), []byte(src.String()), 0o600),
		os.WriteFile(filepath.Join(dir, "tsconfig.json"), config, 0o600),
		os.Symlink(modules, filepath.Join(dir, "node_modules")),
	); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(modules, ".bin", "tsc"), "--pretty", "false", "--project", ".")
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	said, err := cmd.CombinedOutput()
	faults = map[int]string{}
	for _, m := range diagnostic.FindAllStringSubmatch(string(said), -1) {
		line, _ := strconv.Atoi(m[1]) // digits
		if i := line - 1 - before; i >= 0 && faults[i] == "" {
			faults[i] = m[2]
		}
	}
	stray := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(said)), "\n"), func(s string) bool {
		return s == "" || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "all.ts("+strconv.Itoa(before+1)) || diagnostic.MatchString(s)
	})
	if len(stray) > 0 || err != nil && len(faults) == 0 {
		t.Fatalf("the compiler: %v: %s", err, said)
	}
	return faults
}
