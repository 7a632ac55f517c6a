package fakecfn

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"time"
)

// xmlWriter builds an XML document.
type xmlWriter struct{ b bytes.Buffer }

func newXML() *xmlWriter {
	x := &xmlWriter{}
	x.b.WriteString(xml.Header)
	return x
}

// open writes a start tag. Attributes are not escaped.
func (x *xmlWriter) open(name string, attributes ...string) {
	x.b.WriteByte('<')
	x.b.WriteString(name)
	for _, a := range attributes {
		x.b.WriteByte(' ')
		x.b.WriteString(a)
	}
	x.b.WriteByte('>')
}

func (x *xmlWriter) close(name string) {
	x.b.WriteString("</")
	x.b.WriteString(name)
	x.b.WriteByte('>')
}

// text writes an element with text, even if it is empty.
func (x *xmlWriter) text(name, s string) {
	x.open(name)
	xml.EscapeText(&x.b, []byte(s)) // writing to a bytes.Buffer does not fail
	x.close(name)
}

// textIfSet writes an element unless its text is empty.
func (x *xmlWriter) textIfSet(name, s string) {
	if s != "" {
		x.text(name, s)
	}
}

// time writes a time unless it is zero.
func (x *xmlWriter) time(name string, t time.Time) {
	if !t.IsZero() {
		x.text(name, t.UTC().Format(timeLayout))
	}
}

// write sends the document.
func (x *xmlWriter) write(w http.ResponseWriter, status int, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(x.b.Bytes())
}
