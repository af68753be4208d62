package web

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const brandPath = "/admin/brand"

type brandPage struct {
	page
	Name, Colour string
	Else         string // the name that is used if the brand has none
	Resells      bool   // has created workspaces, or may create them
	Standard     string // colour
	Label        string // as an authenticator app shows it
	Account      string
}

func (s *site) brandPage(r *http.Request) *brandPage {
	c := by(r)
	u, _ := c.User()
	ws := c.Workspace()
	without := ws
	without.Brand = ""
	return &brandPage{
		page: page{Title: text.Say("Brand"), Wide: true}, Name: ws.Brand, Colour: cmp.Or(ws.Colour, standardColour(ws)), Else: without.Issuer(),
		Standard: standardColour(ws), Label: otpLabel(ws.Issuer()), Account: u.Address,
		Resells: s.service.MayResell(c) == nil,
	}
}

// standardColour returns the colour that a workspace has until it chooses one: its reseller's, or our own.
func standardColour(w sallyport.Workspace) string {
	w.Colour = ""
	return cmp.Or(w.BrandColour(), colour.Own.String())
}

// readColour reads the colour from a form. A colour field is never empty, so choosing the standard colour means to have
// no own colour.
func readColour(w sallyport.Workspace, f form) string {
	if chosen := f.Get("colour"); !strings.EqualFold(chosen, standardColour(w)) {
		return chosen
	}
	return ""
}

// otpLabel returns an issuer as authenticator apps show it: without colons, because a colon would end it.
func otpLabel(issuer string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(issuer, ":", " ")), " ")
}

func (s *site) brand(w http.ResponseWriter, r *http.Request) error {
	v := s.brandPage(r)
	if kept := s.filled(w, r); kept.Has("name") {
		v.Name, v.Colour = kept.Get("name"), kept.Get("colour")
	}
	return s.render(w, r, http.StatusOK, "brand", v)
}

func (s *site) brandPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.SaveBrand(r.Context(), by(r), f.Get("name"), readColour(by(r).Workspace(), f)); err != nil {
		v := s.brandPage(r)
		v.Name = f.Get("name")
		if chosen := strings.ToLower(f.Get("colour")); sallyport.ValidColour(chosen) {
			v.Colour = chosen
		}
		return s.again(w, r, "brand", v, err)
	}
	return s.done(w, r, brandPath, "brand-saved")
}

// brandStyle returns the address of the style sheet of a colour. The style sheet depends only on the colour, so
// browsers may cache it for ever.
func brandStyle(colour string) string {
	if !sallyport.ValidColour(colour) {
		return ""
	}
	return "/static/brand-" + colour[1:] + ".css"
}

// brandSheet returns the style sheet with a file name. The mark and the buttons have the colour itself. Text on them is
// black or white, whichever has more contrast: on every colour, one of them reaches a ratio of 4.58. Text in the colour
// is darkened on light pages and lightened on dark ones until it is readable.
func brandSheet(file string) (string, bool) {
	hex, ok := strings.CutPrefix(file, "brand-")
	hex, css := strings.CutSuffix(hex, ".css")
	c, valid := colour.Parse("#" + hex)
	if !ok || !css || !valid {
		return "", false
	}
	light, dark := c.OnLight(), c.OnDark()
	return fmt.Sprintf(`:root { --brand: %s; --fill: %s; --fill-strong: %s; --on-fill: %s; --accent: %s; --accent-strong: %s; --on-accent: %s }
.mark path[stroke] { stroke: %s }
.mark path:not([stroke]) { fill: %s }
@media (prefers-color-scheme: dark) { :root { --accent: %s; --accent-strong: %s; --on-accent: %s } }
`, c, c, c.Stronger(), c.Text(), light, light.Stronger(), light.Text(), c.Text(), c.Text(),
		dark, dark.Stronger(), dark.Text()), true
}
