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
	Else         string // what stands where the brand has no name
	Resells      bool   // or may
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

// standardColour is the colour that a workspace has until it chooses one: its reseller's, or our own.
func standardColour(w sallyport.Workspace) string {
	w.Colour = ""
	return cmp.Or(w.BrandColour(), colour.Own.String())
}

// readColour is the colour that a form asks for. A colour field is never empty, so to choose the standard one is to have
// none of one's own.
func readColour(w sallyport.Workspace, f form) string {
	if chosen := f.get("colour"); !strings.EqualFold(chosen, standardColour(w)) {
		return chosen
	}
	return ""
}

// otpLabel is an issuer as authenticator apps show it: without colons, which would end it.
func otpLabel(issuer string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(issuer, ":", " ")), " ")
}

func (s *site) brand(w http.ResponseWriter, r *http.Request) error {
	v := s.brandPage(r)
	if kept := s.filled(w, r); kept.has("name") {
		v.Name, v.Colour = kept.get("name"), kept.get("colour")
	}
	return s.render(w, r, http.StatusOK, "brand", v)
}

func (s *site) brandPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	if err := s.service.SaveBrand(r.Context(), by(r), f.get("name"), readColour(by(r).Workspace(), f)); err != nil {
		v := s.brandPage(r)
		v.Name = f.get("name")
		if chosen := strings.ToLower(f.get("colour")); sallyport.ValidColour(chosen) {
			v.Colour = chosen
		}
		return s.again(w, r, "brand", v, err)
	}
	return s.done(w, r, brandPath, "brand-saved")
}

// brandStyle is the address of the style sheet of a colour; it is made from the colour alone, so that browsers may
// keep it for ever.
func brandStyle(colour string) string {
	if !sallyport.ValidColour(colour) {
		return ""
	}
	return "/static/brand-" + colour[1:] + ".css"
}

// brandSheet is the style sheet that a file name asks for. The mark and the buttons have the colour itself; what is written
// on it is black or white, whichever stands out more: one of them reaches 4.58 on every colour. As text the colour is
// darkened on light pages and lightened on dark ones until it can be read.
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
