package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/*
var staticFiles embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"lower": strings.ToLower,
}).ParseFS(templateFiles, "templates/*.html"))

// build identifies the embedded files: a page rendered by another build must
// reload.
var build = buildID()

func buildID() string {
	h := sha256.New()
	for _, files := range []embed.FS{templateFiles, staticFiles} {
		err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := files.ReadFile(path)
			fmt.Fprintf(h, "%s %d\n%s", path, len(b), b)
			return err
		})
		if err != nil {
			panic(err) // cannot happen: the files are embedded
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// render executes one template.
func render(name string, data any) (string, error) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("couldn't render %s: %w", name, err)
	}
	return b.String(), nil
}

// writePage answers with a complete HTML document.
func writePage(w http.ResponseWriter, name string, data any) {
	html, err := render(name, data)
	if err != nil {
		http.Error(w, "Couldn't render the page.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(html)) // the client may be gone
}

// serveAssets serves the style sheet, the script and the logo. URLs with the
// current build are cached indefinitely.
func serveAssets() http.Handler {
	files := http.FileServerFS(staticFiles)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == build {
			w.Header().Set("Cache-Control", "max-age=31536000, immutable")
		}
		files.ServeHTTP(w, r)
	})
}
