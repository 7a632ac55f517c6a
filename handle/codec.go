package handle

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// version is the version of the encoding. A reader that meets a later one
// refuses, so that an older release never drops what it does not understand.
const version = 1

type encoded struct {
	Version int `json:"v"`
	Request
	WaitURL string `json:"waitUrl"`
}

// Encode writes r as stores keep it. The wait URL is in it: what comes out of
// here goes into a store and nowhere else.
func Encode(r Request) ([]byte, error) {
	b, err := compact(encoded{Version: version, Request: r, WaitURL: r.WaitURL.Expose()})
	if err != nil {
		return nil, fmt.Errorf("couldn't encode request %s: %w", r.ID, err)
	}
	return b, nil
}

// compact is json.Marshal without the escapes that only a web page needs: they
// make six bytes of one.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Decode reads what Encode wrote.
func Decode(b []byte) (Request, error) {
	var e encoded
	if err := json.Unmarshal(b, &e); err != nil {
		return Request{}, fmt.Errorf("couldn't decode a stored request: %w", err)
	}
	if e.Version != version {
		return Request{}, fmt.Errorf("couldn't decode stored request %s: it is of version %d, and this release knows version %d", e.ID, e.Version, version)
	}
	e.Request.WaitURL = StoredWaitURL(e.WaitURL)
	return e.Request, nil
}
