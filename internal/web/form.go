package web

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

// formLimit is the maximum size of a form, in bytes.
const formLimit = 64 << 10

// form is the data that a page was sent. Handlers name each field they read; all others are ignored.
type form struct{ values url.Values }

// readForm reads the body of a post strictly: only the content type that browsers send, at most formLimit, valid UTF-8
// without NUL, and each name once, except names that may repeat (checkboxes). Its errors are problems. It stores the
// values in the request's PostForm, for a step-up that interrupts the request.
func readForm(w http.ResponseWriter, r *http.Request, repeating ...string) (form, error) {
	types := r.Header["Content-Type"]
	if len(types) != 1 || r.Header.Get("Content-Encoding") != "" {
		return form{}, errFormType
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	charset, given := params["charset"]
	if err != nil || mediaType != "application/x-www-form-urlencoded" || given && !strings.EqualFold(charset, "utf-8") {
		return form{}, errFormType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formLimit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return form{}, errFormTooLarge
	}
	if err != nil {
		return form{}, errFormBroken
	}
	f, err := parseForm(string(body), repeating)
	r.PostForm = f.values
	return f, err
}

// readQuery reads the query of the URL, as strictly as a form.
func readQuery(r *http.Request, repeating ...string) (form, error) {
	return parseForm(r.URL.RawQuery, repeating)
}

func parseForm(s string, repeating []string) (form, error) {
	values, err := url.ParseQuery(s)
	if err != nil {
		return form{}, errFormBroken
	}
	for name, all := range values {
		if !validText(name) || len(all) > 1 && !slices.Contains(repeating, name) {
			return form{}, errFormBroken
		}
		for _, value := range all {
			if !validText(value) {
				return form{}, errFormBroken
			}
		}
	}
	return form{values}, nil
}

func validText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// get returns a field's value as it was sent, or "" if it was not sent.
func (f form) get(name string) string { return f.values.Get(name) }

// ticked reports whether a checkbox was ticked.
func (f form) ticked(name string) bool { return f.values.Get(name) != "" }

// all returns the values of a name that may repeat.
func (f form) all(name string) []string { return f.values[name] }

// has reports whether a field was sent, even if it is empty.
func (f form) has(name string) bool { return f.values.Has(name) }
