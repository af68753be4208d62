package edge

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// FormLimit is the maximum size of a form, in bytes.
const FormLimit = 64 << 10

// What is wrong with the body of a request. Each door says so in its own words.
var (
	ErrBodyType     = errors.New("the body has the wrong content type")    // 415
	ErrBodyTooLarge = errors.New("the body is too large")                  // 413
	ErrBodyBroken   = errors.New("the body is not what its type promises") // 400
)

// Form is the data that a page was sent. Handlers name each field they read; all others are ignored.
type Form struct{ Values url.Values }

// ReadForm reads the body of a post strictly: only the content type that browsers send, at most FormLimit, valid UTF-8
// without NUL, and each name once, except names that may repeat (checkboxes). It stores the values in the request's
// PostForm.
func ReadForm(w http.ResponseWriter, r *http.Request, repeating ...string) (Form, error) {
	types := r.Header["Content-Type"]
	if len(types) != 1 || r.Header.Get("Content-Encoding") != "" {
		return Form{}, ErrBodyType
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	charset, given := params["charset"]
	if err != nil || mediaType != "application/x-www-form-urlencoded" || given && !strings.EqualFold(charset, "utf-8") {
		return Form{}, ErrBodyType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, FormLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return Form{}, ErrBodyTooLarge
	}
	if err != nil {
		return Form{}, ErrBodyBroken
	}
	f, err := parseForm(string(body), repeating)
	r.PostForm = f.Values
	return f, err
}

// ReadQuery reads the query of the URL, as strictly as a form.
func ReadQuery(r *http.Request, repeating ...string) (Form, error) {
	return parseForm(r.URL.RawQuery, repeating)
}

func parseForm(s string, repeating []string) (Form, error) {
	values, err := url.ParseQuery(s)
	if err != nil {
		return Form{}, ErrBodyBroken
	}
	for name, all := range values {
		if !ValidText(name) || len(all) > 1 && !slices.Contains(repeating, name) {
			return Form{}, ErrBodyBroken
		}
		for _, value := range all {
			if !ValidText(value) {
				return Form{}, ErrBodyBroken
			}
		}
	}
	return Form{values}, nil
}

// ValidText reports whether text can be stored: it is UTF-8 without NUL.
func ValidText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// Get returns a field's value as it was sent, or "" if it was not sent.
func (f Form) Get(name string) string { return f.Values.Get(name) }

// Ticked reports whether a checkbox was ticked.
func (f Form) Ticked(name string) bool { return f.Values.Get(name) != "" }

// All returns the values of a name that may repeat.
func (f Form) All(name string) []string { return f.Values[name] }

// Has reports whether a field was sent, even if it is empty.
func (f Form) Has(name string) bool { return f.Values.Has(name) }
