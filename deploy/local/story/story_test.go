package story_test

import (
	"context"
	"os"
	"testing"

	"countersign/deploy"
	"countersign/deploy/local/cloudformation"
	"countersign/deploy/local/functions"
	"countersign/deploy/local/story"
	"log/slog"
)

func TestMain(m *testing.M) {
	if functions.IsChild() {
		functions.Child()
		return
	}
	os.Exit(m.Run())
}

func TestStories(t *testing.T) {
	tm, err := cloudformation.ParseTemplate(deploy.Product)
	if err != nil {
		t.Fatal(err)
	}
	name := os.Getenv("STORY")
	if name == "" {
		name = "all"
	}
	if err := story.Play(context.Background(), os.Stdout, name, story.Config{Template: tm, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}); err != nil {
		t.Error(err)
	}
}
