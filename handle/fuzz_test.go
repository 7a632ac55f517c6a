package handle_test

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/handle"
)

func FuzzParseWaitURL(f *testing.F) {
	own := stackARN("aws", "us-west-2")
	const host = "https://cloudformation-waitcondition-us-west-2.s3-us-west-2.amazonaws.com"
	for _, seed := range []string{
		host + handlePath(own) + signed,
		host + "/" + own + "/x/H?X-Amz-Date=20261123T080000Z&X-Amz-Expires=3600",
		host + handlePath(own) + "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795467599&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D",
		host + handlePath(own) + "?Expires=1", host + handlePath(own) + "?Expires=-9223372036854775808",
		host + handlePath(own) + "/../../x",
		host + ":443" + handlePath(own), "https://u@" + host[8:] + handlePath(own), "HTTPS://" + host[8:] + handlePath(own),
		host + ".evil.example" + handlePath(own), "https://evil.example" + handlePath(own), "http://127.0.0.1:4310" + handlePath(own),
		"http://127.0.0.1:4566/signals/x", "http://127.0.0.1:4566/signals/..", "https://[::1]/", "//x", "", "%", "#",
	} {
		f.Add(seed)
	}
	allowed := []string{"http://127.0.0.1:4310", "http://127.0.0.1:4566/signals/"}
	f.Fuzz(func(t *testing.T, raw string) {
		w, err := handle.ParseWaitURL(raw, own, allowed, at)
		if err != nil {
			known := errors.Is(err, handle.ErrWaitURLMissing) || errors.Is(err, handle.ErrWaitURLForm) || errors.Is(err, handle.ErrWaitURLHost) ||
				errors.Is(err, handle.ErrWaitURLStack) || errors.Is(err, handle.ErrWaitURLExpired)
			if !known || !w.IsZero() {
				t.Errorf("got %v and a URL (%t), want a known error alone", err, !w.IsZero())
			}
			return
		}
		if w.Expose() != raw {
			t.Errorf("got %q for %q", w.Expose(), raw)
		}
		// Parse by other means than package net/url.
		m := urlParts.FindStringSubmatch(raw)
		if m == nil || !legalURL.MatchString(raw) {
			t.Fatalf("accepted %q, which is not a URL with a path by RFC 3986", raw)
		}
		origin := strings.ToLower(m[1])
		path, err := url.PathUnescape(m[2])
		if err != nil || slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == ".." || s == "." }) {
			t.Errorf("accepted a path with dot segments: %q", raw)
		}
		switch {
		case origin == "http://127.0.0.1:4566" && strings.HasPrefix(path, "/signals/"):
		case !strings.HasPrefix(path, "/"+own+"/"):
			t.Errorf("accepted another stack's: %q", raw)
		case origin == "http://127.0.0.1:4310":
		case !strictOrigin.MatchString(origin):
			t.Errorf("accepted another host: %q", raw)
		}
		if expires, ok := w.Expires(); ok {
			if _, err := expires.MarshalJSON(); err != nil {
				t.Errorf("%q expires at a time that can't be stored: %v", raw, err)
			}
		}
		if expires, ok := w.Expires(); ok && !at.Before(expires) {
			t.Errorf("accepted a URL that expired at %s", expires)
		}
	})
}

var (
	urlParts = regexp.MustCompile(`^([^/?]+://[^/?]+)(/[^?]*)(\?.*)?$`)
	legalURL = regexp.MustCompile(`^[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+$`) // and no #

	// strictOrigin matches the origin of the wait URLs of us-west-2.
	strictOrigin = regexp.MustCompile(`^https://cloudformation-waitcondition-us-west-2\.s3([.-][a-z0-9-]+)?\.amazonaws\.(com|com\.cn|eu)$`)
)

func FuzzRedact(f *testing.F) {
	f.Add("https://wait.example.com/a/b?c=d", "see https://wait.example.com/a/b?c=d.")
	f.Add("", "https://cloudformation-waitcondition-x.s3.amazonaws.com/y")
	f.Add("%", "%%")
	f.Fuzz(func(t *testing.T, raw, text string) {
		got := handle.StoredWaitURL(raw).Redact(text)
		if len(raw) > len("[wait URL]") && strings.Contains(got, raw) {
			t.Errorf("%q shows %q", got, raw)
		}
		if strings.Contains(got, "https://cloudformation-waitcondition-") {
			t.Errorf("%q shows a wait URL", got)
		}
	})
}

func FuzzTicket(f *testing.F) {
	f.Add(ticket(handle.Approve).String())
	f.Add(mailKey.Seal(ticket(handle.Reject), at))
	f.Add(mailKey.Seal(ticket(handle.Reject), at.AddDate(1, 0, 0)))
	f.Add("v1..approve.1.x")
	f.Add("....")
	f.Fuzz(func(t *testing.T, s string) {
		if parsed, err := handle.ParseTicket(s); err == nil && parsed.String() != s {
			t.Errorf("%q is read as %q", s, parsed)
		}
		opened, key, err := handle.OpenTicket([]handle.MailKey{mailKey}, s, at)
		if err != nil {
			if !errors.Is(err, handle.ErrTicket) && !errors.Is(err, handle.ErrTicketExpired) {
				t.Errorf("got %v", err)
			}
			return
		}
		if string(key) != string(mailKey) || !strings.HasPrefix(s, opened.String()+".") {
			t.Errorf("%q opens as %q", s, opened)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "ééé", "😀😀", "a\xff\xf0\x9f", "\u202Eevil", " \n ", "a  …", "\u2028"} {
		f.Add(s, 0)
		f.Add(s, 4)
		f.Add(s, 1000)
	}
	f.Fuzz(checkTruncate)
}

func FuzzSplitID(f *testing.F) {
	f.Add(launch().ID)
	f.Add("aaaaaaaaaaaaaaaa-aaaaaaaa\n")
	f.Add("-")
	f.Fuzz(func(t *testing.T, id string) {
		key, gate, ok := handle.SplitID(id)
		if !ok {
			if key != "" || gate != "" {
				t.Errorf("%q: got %q and %q, want that it is not an ID", id, key, gate)
			}
			return
		}
		if key+"-"+gate != id || len(key) != 16 || len(gate) != 8 {
			t.Errorf("%q: got %q and %q", id, key, gate)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, r := range []handle.Request{{}, launch(), launch().Withdraw("x", at)} {
		b, err := handle.Encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"decision":{},"signal":null,"told":{"direct/x":{}},"tries":{"post":{"n":-1}},"votes":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := handle.Decode(b)
		if err != nil {
			return
		}
		again, err := handle.Encode(r)
		if err != nil {
			t.Skip("JSON cannot encode years after 9999, which can be decoded")
		}
		next, err := handle.Decode(again)
		if err != nil {
			t.Fatalf("couldn't decode the encoding: %v", err)
		}
		wantSame(t, "after encoding and decoding", r, next)
		// No stored value may cause a panic.
		_, _, _, _ = r.NextDue(), r.Due(at), r.ViewHash(), r.ApprovalsMissing()
		r.Expire(at).Withdraw("x", at).MarkSignalled("", at).StillInProgress(at)
		_, _ = r.SignalBody()
		r.RecordEnd(handle.Ended{At: at})
	})
}
