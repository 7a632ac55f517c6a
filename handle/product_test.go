package handle_test

import (
	"strings"
	"testing"

	"countersign/handle"
)

func TestProductTitle(t *testing.T) {
	all := handle.Product{
		Name: "A queue for messages", ID: "prod-4abcdefghijkl", ProductName: "Message queue", Version: "pa-4abcdefghijkl", VersionName: "v3",
		Provisioned: "orders-queue", ProvisionedID: "pp-abcdefghijklm",
	}
	for _, tt := range []struct {
		name string
		edit func(p *handle.Product)
		want string
	}{
		{"all known", func(*handle.Product) {}, "Message queue, v3"},
		{"version unknown", func(p *handle.Product) { p.VersionName = "" }, "Message queue"},
		{"names unknown", func(p *handle.Product) { p.ProductName, p.VersionName = "", "" }, "A queue for messages"},
		{"only the version's name known", func(p *handle.Product) { p.ProductName = "" }, "A queue for messages"},
		{"description of question marks", func(p *handle.Product) { p.ProductName, p.Name = "", "???? ??????" }, "orders-queue"},
		{"no name at all", func(p *handle.Product) { p.ProductName, p.Name, p.Provisioned = "", "", "" }, "prod-4abcdefghijkl"},
		{"names in Japanese", func(p *handle.Product) { p.ProductName, p.VersionName = "メッセージキュー", "第三版" }, "メッセージキュー, 第三版"},
		{"line breaks", func(p *handle.Product) { p.ProductName, p.VersionName = "Message\nqueue", "v\t3" }, "Message queue, v 3"},
		{"nothing known", func(p *handle.Product) { *p = handle.Product{} }, ""},
	} {
		p := all
		tt.edit(&p)
		if got := p.Title(); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	long := handle.Product{ProductName: strings.Repeat("Produkt ü ", 900), VersionName: strings.Repeat("v3 ", 2000)}.Title()
	if len(long) > 100 || !strings.Contains(long, ", v3") {
		t.Errorf("a long title is not cut to 100 bytes with its version: %q", long)
	}
}

func TestVersionLabel(t *testing.T) {
	if got := (handle.Product{Version: "pa-1", VersionName: "v3"}).VersionLabel(); got != "v3" {
		t.Errorf("got %q, want the name", got)
	}
	if got := (handle.Product{Version: "pa-1"}).VersionLabel(); got != "pa-1" {
		t.Errorf("got %q, want the ID", got)
	}
}

func TestAccountLabel(t *testing.T) {
	if got := (handle.Stack{Account: "111122223333", AccountName: "production"}).AccountLabel(); got != "production (111122223333)" {
		t.Errorf("got %q", got)
	}
	if got := (handle.Stack{Account: "111122223333"}).AccountLabel(); got != "111122223333" {
		t.Errorf("got %q", got)
	}
}

func TestGarbled(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "Message queue": false, "Why?": false, "?": false, "Ready?": false, "Is this it? Yes.": false, "Warteschlange f?r Nachrichten": false,
		"????": true, "????? ??? ?????????": true, "S3 ????????": true, "Gr??e": true, "?? 3": true,
	} {
		if got := handle.Garbled(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}
