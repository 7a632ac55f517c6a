package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"
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
	out := bufio.NewWriter(w)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.name
	}
	_, err := out.WriteString(line(row))
	for r, failed := range requests {
		if err = errors.Join(err, failed); err != nil {
			break
		}
		for i, c := range columns {
			row[i] = cell(handle.OneLine(r.WaitURL.Redact(c.of(r)), 2500))
		}
		_, err = out.WriteString(line(row))
	}
	return errors.Join(err, out.Flush())
}

// line is a line of CSV, RFC 4180. Unlike encoding/csv, it also quotes cells that
// contain a semicolon, which separates cells in locales with a decimal comma.
func line(row []string) string {
	quoted := make([]string, len(row))
	for i, text := range row {
		if strings.ContainsAny(text, "\",;\r\n") || strings.HasPrefix(text, " ") {
			text = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
		}
		quoted[i] = text
	}
	return strings.Join(quoted, ",") + "\n"
}

// cell keeps spreadsheets from running outside text as a formula, by an apostrophe
// in front. Text behind a semicolon gets one, too: where semicolons separate cells, a
// spreadsheet splits the line there even inside quotes, because the quotes do not
// begin what it takes for the cell. See
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(text string) string {
	parts := strings.Split(text, ";")
	for i, part := range parts {
		first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(part, skipped))
		if strings.ContainsRune("=+-@＝＋－＠", first) {
			parts[i] = "'" + part
		}
	}
	return strings.Join(parts, ";")
}

// skipped reports whether a spreadsheet may skip r at the start of a cell.
func skipped(r rune) bool { return r == '"' || unicode.IsSpace(r) || !unicode.IsGraphic(r) }
