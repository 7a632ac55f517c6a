package audit

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"countersign/handle"
)

// write writes requests as they are read, so that those before an error are not
// lost.
func write(w io.Writer, format string, requests iter.Seq2[handle.Request, error], s selection) error {
	switch format {
	case "csv":
		return writeCSV(w, requests)
	case "json":
		return writeJSON(w, requests)
	}
	return writeText(w, requests, s)
}

// writeJSON writes one line of JSON per request: the whole record except the wait
// URL. Requests that cannot be written are left out and returned as errors at the
// end.
func writeJSON(w io.Writer, requests iter.Seq2[handle.Request, error]) error {
	var errs []error
	for r, err := range requests {
		if err != nil {
			errs = append(errs, err)
			break
		}
		b, err := document(r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

var errSecret = errors.New("one of its texts contains a wait URL, so it cannot be printed as JSON: use --format text")

func document(r handle.Request) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		State handle.State `json:"state"`
		handle.Request
	}{r.State(), r})
	if err == nil && r.WaitURL.Redact(b.String()) != b.String() {
		err = errSecret
	}
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", r.ID, err)
	}
	return b.Bytes(), nil
}

func writeCSV(w io.Writer, requests iter.Seq2[handle.Request, error]) error {
	out := csv.NewWriter(w)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.name
	}
	err := out.Write(row)
	for r, failed := range requests {
		if err = errors.Join(err, failed); err != nil {
			break
		}
		for i, c := range columns {
			row[i] = cell(handle.OneLine(r.WaitURL.Redact(c.of(r)), 2500))
		}
		err = out.Write(row)
	}
	out.Flush()
	return errors.Join(err, out.Error())
}

// cell keeps spreadsheets from running outside text as a formula, by an apostrophe
// in front. See
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(text string) string {
	if first, _ := utf8.DecodeRuneInString(text); strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + text
	}
	return text
}
