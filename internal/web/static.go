package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static
var staticFiles embed.FS

// asset is a static file as it is served. Its address contains a hash of its content, so that browsers may cache it for
// ever and fetch a new version immediately.
type asset struct {
	address     string
	contentType string
	plain       []byte
	gzip        func() []byte // compressed at the first request, so that the start is fast
}

var assets = loadAssets()

func loadAssets() map[string]asset {
	types := map[string]string{
		".css": "text/css; charset=utf-8",
		".js":  "text/javascript; charset=utf-8",
		".svg": "image/svg+xml",
	}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // the file is embedded and cannot be missing
	}
	all := map[string]asset{}
	for _, entry := range entries {
		content, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(entry.Name())
		if ext == ".js" {
			content = withoutComments(content)
		}
		sum := sha256.Sum256(content)
		all[entry.Name()] = asset{
			address:     "/static/" + strings.TrimSuffix(entry.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext,
			contentType: types[ext],
			plain:       content,
			gzip:        sync.OnceValue(func() []byte { return pack(content) }),
		}
	}
	return all
}

// withoutComments returns a script without the lines that are comments, which browsers need not load.
func withoutComments(script []byte) []byte {
	var kept bytes.Buffer
	for line := range bytes.Lines(script) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) {
			kept.Write(line)
		}
	}
	return kept.Bytes()
}

func pack(content []byte) []byte {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(content) // writing to a bytes.Buffer does not fail
	z.Close()
	return packed.Bytes()
}

// StaticAddress returns the address of a static file, such as style.css, or "" for an unknown name.
func StaticAddress(name string) string { return assets[name].address }

// static answers GET /static/{file}, for everyone, signed in or not. Files are served on every host, because the page
// about an unknown host needs its style too.
func (s *site) static(w http.ResponseWriter, r *http.Request) error {
	err := serveStatic(w, r)
	if err != nil {
		if unknown := s.name(r); unknown != nil {
			return unknown
		}
	}
	return err
}

func serveStatic(w http.ResponseWriter, r *http.Request) error {
	if sheet, ok := brandSheet(r.PathValue("file")); ok {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Write([]byte(sheet))
		return nil
	}
	for _, a := range assets {
		if a.address != "/static/"+r.PathValue("file") {
			continue
		}
		h := w.Header()
		h.Set("Content-Type", a.contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Vary", "Accept-Encoding")
		body := a.plain
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = a.gzip()
		}
		w.Write(body)
		return nil
	}
	return errNoSuchPage
}

func acceptsGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if coding == "gzip" {
			return !strings.HasPrefix(weight, "q=0") || strings.Trim(weight[len("q=0"):], ".0") != ""
		}
	}
	return false
}
