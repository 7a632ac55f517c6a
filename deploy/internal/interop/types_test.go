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

	"countersign/bot/blocks"
	"countersign/deploy/internal/testtools"
)

// typedValue is JSON and the TypeScript type that it must have.
type typedValue struct{ kind, json, where string }

// tsHead imports Slack's types. It adds fields to the payloads that Slack documents
// but Bolt's types lack: a null enterprise outside Enterprise Grid, the style of a
// clicked button, and the username of a modal's submitter. They require a title of a
// Home tab, which has none. See
// https://docs.slack.dev/reference/interaction-payloads
const tsHead = `import type { AppHomeOpenedEvent, HomeView, KnownBlock, MessageMetadata, ModalView } from "@slack/types";
import type { BlockAction, ButtonAction, EnvelopedEvent, RespondArguments, SlashCommand, ViewOutput, ViewErrorsResponseAction, ViewSubmitAction, ViewUpdateResponseAction } from "@slack/bolt";
type OutsideGrid<T> = Omit<T, "enterprise"> & { enterprise: null };
type Click = OutsideGrid<BlockAction<ButtonAction & { style?: "primary" | "danger" }>>;
type HomeClick = Pick<Click, "type" | "user" | "actions" | "team" | "token" | "trigger_id" | "api_app_id" | "container"> &
  { enterprise: null; is_enterprise_install: boolean; view: Partial<ViewOutput> };
type Command = Partial<SlashCommand>;
type HomeOpened = EnvelopedEvent<AppHomeOpenedEvent>;
type Submission = OutsideGrid<ViewSubmitAction> & { user: { username: string } };
`

// Everything that we send to Slack, and everything that the simulated Slack sends to
// us, type-checks against Slack's own types.
func TestSlackTypes(t *testing.T) {
	testtools.Path(t, "slack/node_modules")
	rec := record(t)
	var list []typedValue
	for _, c := range rec.calls {
		for field, kind := range map[string]string{"blocks": "KnownBlock[]", "view": "ModalView", "metadata": "MessageMetadata"} {
			if c.method == "views.publish" && kind == "ModalView" {
				kind = "HomeView"
			}
			if s := c.form.Get(field); s != "" {
				list = append(list, typedValue{kind, s, c.method})
			}
		}
		if c.form.Get("attachments") != "" {
			t.Errorf("%s: an attachment", c.method)
		}
	}
	for _, c := range rec.clicks {
		kind, answer := "Click", "ViewErrorsResponseAction"
		switch {
		case c.path == pathCommands:
			kind, answer = "Command", "RespondArguments"
		case c.path == pathEvents:
			kind = "HomeOpened"
		case strings.Contains(c.payload(t), `"callback_id":"`+blocks.HomeCallback+`"`):
			kind = "HomeClick"
		case strings.Contains(c.payload(t), `"type":"view_submission"`):
			kind = "Submission"
			if strings.Contains(c.answer, `"response_action":"update"`) {
				answer = "ViewUpdateResponseAction"
			}
		}
		list = append(list, typedValue{kind, c.payload(t), "simulated Slack"})
		if c.answer != "" {
			list = append(list, typedValue{answer, c.answer, "the bot's answer"})
		}
	}
	list = append(list, goldens(t)...)

	count := map[string]int{}
	for _, v := range list {
		count[v.where+" "+v.kind]++
	}
	for _, want := range []string{
		"chat.postMessage KnownBlock[]", "chat.update KnownBlock[]", "views.open ModalView", "simulated Slack Click", "simulated Slack Submission",
		"views.publish HomeView", "simulated Slack Command", "simulated Slack HomeOpened", "the bot's answer RespondArguments",
		"the bot's answer ViewUpdateResponseAction", "the bot's answer ViewErrorsResponseAction", "golden KnownBlock[]",
	} {
		if count[want] == 0 {
			t.Errorf("the recording has no %s, only %v", want, count)
		}
	}
	for i, message := range tsc(t, list) {
		t.Errorf("%s is not a %s: %s\n%s", list[i].where, list[i].kind, message, list[i].json)
	}
}

// goldens returns the golden messages of bot/blocks, one for every state of a
// request.
func goldens(t *testing.T) (list []typedValue) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testtools.Root(t), "bot", "blocks", "testdata", "*.json"))
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
			list = append(list, typedValue{"KnownBlock[]", string(v.Blocks), "golden"})
		}
	}
	return list
}

// The type check detects errors.
func TestSlackTypesRejectErrors(t *testing.T) {
	testtools.Path(t, "slack/node_modules")
	list := []typedValue{
		{kind: "KnownBlock[]", json: `[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`},
		{kind: "KnownBlock[]", json: `[{"type":"section","text":{"type":"mrkdwn","txt":"x"}}]`},
		{kind: "KnownBlock[]", json: `[{"type":"section","field":[]}]`},
		{kind: "KnownBlock[]", json: `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"style":"warning"}]}]`},
		{kind: "KnownBlock[]", json: `[{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"value":7}]}]`},
		{kind: "KnownBlock[]", json: `[{"type":"unknown"}]`},
		{kind: "KnownBlock[]", json: `{}`},
		{kind: "ModalView", json: `{"type":"modal","blocks":[]}`},
		{kind: "ModalView", json: `{"type":"modal","title":{"type":"plain_text","text":"x"},"blocks":[],"metadata":"x"}`},
		{kind: "Click", json: `{"type":"block_actions"}`},
		{kind: "ViewErrorsResponseAction", json: `{"response_action":"errors","errors":"x"}`},
	}
	messages := tsc(t, list)
	for i, v := range list {
		if messages[i] == "" {
			t.Errorf("Slack's types accept %s as %s", v.json, v.kind)
		}
	}
}

// diagnostic matches the compiler's errors: all.ts(LINE,COLUMN): error TS1234: text.
var diagnostic = regexp.MustCompile(`(?m)^all\.ts\((\d+),\d+\): error (TS\d+: .*)$`)

// tsc type-checks the list and returns the first error of each value by index. It
// takes up to two minutes.
func tsc(t *testing.T, list []typedValue) (messages map[int]string) {
	t.Helper()
	var src strings.Builder
	src.WriteString(tsHead)
	before := strings.Count(tsHead, "\n")
	for i, v := range list {
		line := strings.NewReplacer("\n", " ", "\r", " ").Replace(v.json) // JSON strings contain no line breaks
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
	output, err := cmd.CombinedOutput()
	messages = map[int]string{}
	for _, m := range diagnostic.FindAllStringSubmatch(string(output), -1) {
		line, _ := strconv.Atoi(m[1]) // digits
		if i := line - 1 - before; i >= 0 && messages[i] == "" {
			messages[i] = m[2]
		}
	}
	stray := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(output)), "\n"), func(s string) bool {
		return s == "" || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "all.ts("+strconv.Itoa(before+1)) || diagnostic.MatchString(s)
	})
	if len(stray) > 0 || err != nil && len(messages) == 0 {
		t.Fatalf("the compiler: %v: %s", err, output)
	}
	return messages
}
