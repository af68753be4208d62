package letter_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestLettersLook: the HTML of e-mails is readable with every brand, light and dark, on a phone and in a wide window.
func TestLettersLook(t *testing.T) {
	brands := []struct{ kind, name, colour string }{
		{"two_factor.enabled", "Acme", "#7b1fa2"},
		{"invitation", "Acme", "#ffffff"},
		{"temporary_password", strings.Repeat("界", 100), "#000000"},
		{"email.undo", strings.Repeat("Donaudampfschiff", 6), "#ffcc00"},
		{"two_factor.reminder", "Acme", "#0b5cad"},
	}
	mux := http.NewServeMux()
	for i, brand := range brands {
		l := example(t, brand.kind)
		l.Brand, l.Colour = brand.name, colourOf(t, brand.colour)
		l.Name, l.Account = strings.Repeat("Mia Muster", 10), strings.Repeat("m", 64)+"@acme.example"
		l.To = l.Account
		body := write(t, l)
		mux.HandleFunc(fmt.Sprintf("GET /%d", i), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body.HTML) })
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	b := sallyporttest.NewBrowser(t, server.URL, sallyporttest.Look{})
	for i := range brands {
		b.Open(fmt.Sprintf("/%d", i))
		for _, dark := range []bool{false, true} {
			for _, width := range []int{360, 700} {
				b.Look(sallyporttest.Look{Width: width, Dark: dark})
				b.Fits()
				b.Screenshot(fmt.Sprintf("%d-%d-%v", i, width, dark))
			}
			sallyporttest.Axe(b)
		}
	}
	b.Clean()
}
