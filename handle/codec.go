package handle

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// version is the version of the encoding. Decode refuses any other, so that an
// older release never drops fields that it does not know.
const version = 1

type encoded struct {
	Version int `json:"v"`
	Request
	WaitURL string `json:"waitUrl"`
}

// Encode writes r as stores keep it, as JSON. The result contains the wait URL,
// so it must go into a store and nowhere else.
func Encode(r Request) ([]byte, error) {
	b, err := compact(encoded{Version: version, Request: r, WaitURL: r.WaitURL.Expose()})
	if err != nil {
		return nil, fmt.Errorf("couldn't encode request %s: %w", r.ID, err)
	}
	return b, nil
}

// compact is json.Marshal without HTML escapes, which turn one byte into six.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Decode reads what Encode wrote, in this release or an earlier one.
func Decode(b []byte) (Request, error) {
	var e encoded
	if err := json.Unmarshal(b, &e); err != nil {
		return Request{}, fmt.Errorf("couldn't decode a stored request: %w", err)
	}
	if e.Version != version {
		return Request{}, fmt.Errorf("couldn't decode stored request %s: its encoding has version %d, but this release reads version %d", e.ID, e.Version, version)
	}
	e.Request.WaitURL = StoredWaitURL(e.WaitURL)
	return e.Request, nil
}
