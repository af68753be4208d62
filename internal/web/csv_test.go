package web_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

func TestACellIsNoFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"":                       "",
		"Mia":                    "Mia",
		"a=b":                    "a=b",
		"2026-11-22T01:00:00Z":   "2026-11-22T01:00:00Z",
		"–":                      "–",
		`=HYPERLINK("http://e")`: `'=HYPERLINK("http://e")`,
		"+1":                     "'+1",
		"-2+3":                   "'-2+3",
		"@SUM(A1)":               "'@SUM(A1)",
		"\t=1":                   "'\t=1",
		"\r=1":                   "'\r=1",
		"\n=1":                   "'\n=1",
		"＝1":                     "'＝1",
		"\u202e=1":               "'=1",
		"a\u2066b\u202e":         "ab",
		"\u200fשלום":             "\u200fשלום",
	} {
		if got := web.Harmless(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

// download serves a table on a real listener. It returns the response, its body up to where the connection broke, if it
// did, and the error.
func download(t *testing.T, next func() ([][]string, error)) (*http.Response, string, error) {
	t.Helper()
	k, err := web.NewKit("http://localhost:8080", nil, text.English, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := k.Download(w, r, next); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
		}
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Start()
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	_, err = body.ReadFrom(res.Body)
	return res, body.String(), err
}

func TestDownload(t *testing.T) {
	page := 0
	res, body, err := download(t, func() ([][]string, error) {
		page++
		switch page {
		case 1:
			return [][]string{{"=Mia", `says "hi", twice`}, {"two\nlines", ""}}, nil
		case 2:
			return [][]string{{"Ben", "+"}}, nil
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(body, "\ufeffname,note\r\n") || strings.Count(body, "\ufeff") != 1 {
		t.Errorf("Excel does not read it as UTF-8: %q", body)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	want := [][]string{{"name", "note"}, {"'=Mia", `says "hi", twice`}, {"two\nlines", ""}, {"Ben", "'+"}}
	if err != nil || len(rows) != len(want) {
		t.Fatalf("%v, %q", err, body)
	}
	for i := range want {
		if strings.Join(rows[i], "|") != strings.Join(want[i], "|") {
			t.Errorf("row %d is %q, want %q", i, rows[i], want[i])
		}
	}
	if got := res.Header.Get("Content-Disposition"); got != `attachment; filename="people.csv"` {
		t.Error(got)
	}
}

func TestADownloadThatFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	res, _, err := download(t, func() ([][]string, error) { return nil, broken })
	if err != nil || res.StatusCode != http.StatusTeapot {
		t.Errorf("before the first page: %d, %v", res.StatusCode, err)
	}
	page := 0
	_, body, err := download(t, func() ([][]string, error) {
		if page++; page > 1 {
			return nil, broken
		}
		var rows [][]string
		for i := range 1000 {
			rows = append(rows, []string{strconv.Itoa(i), ""})
		}
		return rows, nil
	})
	if err == nil {
		t.Errorf("half a table looks whole: %d bytes", len(body))
	}
}
