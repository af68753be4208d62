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

// formLimit is the most that a form may weigh, in bytes.
const formLimit = 64 << 10

// form is what a page was sent. Handlers name each field they read; others that were sent are not looked at.
type form struct{ values url.Values }

// readForm reads the body of a post, strictly: the one content type that browsers send, at most formLimit, valid UTF-8
// without NUL, each name once, but for the names that may repeat (checkboxes). Its errors are problems. The request
// keeps the values as its PostForm, for a step-up that interrupts it.
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

// readQuery reads what stands in the address, as strictly as a form.
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

// get gives a field's value as it was sent, or "" for one that was not sent.
func (f form) get(name string) string { return f.values.Get(name) }

// ticked tells whether a checkbox was ticked.
func (f form) ticked(name string) bool { return f.values.Get(name) != "" }

// all gives the values of a name that may repeat.
func (f form) all(name string) []string { return f.values[name] }

// has tells whether a field was sent, be it empty.
func (f form) has(name string) bool { return f.values.Has(name) }
