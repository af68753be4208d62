package web

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
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

// ownColour is the one that a page shows without a brand, as style.css has it.
const ownColour = "#0b5cad"

// standardColour is the colour that a workspace has until it chooses one: its reseller's, or our own.
func standardColour(w sallyport.Workspace) string {
	w.Colour = ""
	return cmp.Or(w.BrandColour(), ownColour)
}

// readColour is the colour that a form asks for. A colour field is never empty, so to choose the standard one is to have
// none of one's own.
func readColour(w sallyport.Workspace, f form) string {
	if colour := f.get("colour"); !strings.EqualFold(colour, standardColour(w)) {
		return colour
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
		if colour := strings.ToLower(f.get("colour")); sallyport.ValidColour(colour) {
			v.Colour = colour
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

// Backgrounds that the accent stands on as text, the hardest of each look, as style.css has them (--info-bg).
var lightGround, darkGround = rgb{0xe8, 0xf1, 0xfb}, rgb{0x14, 0x27, 0x3c}

// enough is the contrast that text needs (WCAG 2.2, 1.4.3), with a little to spare for rounding.
const enough = 4.55

// brandSheet is the style sheet that a file name asks for. The mark and the buttons have the colour itself; what is written
// on it is black or white, whichever stands out more: one of them reaches 4.58 on every colour. As text the colour is
// darkened on light pages and lightened on dark ones until it can be read.
func brandSheet(file string) (string, bool) {
	hex, ok := strings.CutPrefix(file, "brand-")
	hex, css := strings.CutSuffix(hex, ".css")
	if !ok || !css || !sallyport.ValidColour("#"+hex) {
		return "", false
	}
	n, _ := strconv.ParseUint(hex, 16, 32) // ValidColour looked
	c := rgb{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}
	light, dark := c.readable(lightGround, black), c.readable(darkGround, white)
	return fmt.Sprintf(`:root { --brand: %s; --fill: %s; --fill-strong: %s; --on-fill: %s; --accent: %s; --accent-strong: %s; --on-accent: %s }
.mark path[stroke] { stroke: %s }
.mark path:not([stroke]) { fill: %s }
@media (prefers-color-scheme: dark) { :root { --accent: %s; --accent-strong: %s; --on-accent: %s } }
`, c, c, c.towards(c.on().other(), .2), c.on(), light, light.towards(light.on().other(), .2), light.on(), c.on(), c.on(),
		dark, dark.towards(dark.on().other(), .2), dark.on()), true
}

// rgb is a colour, each part from 0 to 255.
type rgb struct{ r, g, b float64 }

var black, white = rgb{}, rgb{255, 255, 255}

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(c.r+.5), int(c.g+.5), int(c.b+.5))
}

// luminance and contrast are those of WCAG 2.2.
func (c rgb) luminance() float64 {
	part := func(v float64) float64 {
		if v /= 255; v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*part(c.r) + .7152*part(c.g) + .0722*part(c.b)
}

func (c rgb) contrast(d rgb) float64 {
	a, b := c.luminance()+.05, d.luminance()+.05
	return max(a, b) / min(a, b)
}

// towards mixes a share of another colour into c.
func (c rgb) towards(d rgb, share float64) rgb {
	mix := func(a, b float64) float64 { return a + (b-a)*share }
	return rgb{mix(c.r, d.r), mix(c.g, d.g), mix(c.b, d.b)}
}

// readable is c, mixed with black or white as little as it takes to read it on a ground.
func (c rgb) readable(ground, with rgb) rgb {
	for share := 0.0; share < 1; share += .02 {
		if d := c.towards(with, share); d.contrast(ground) >= enough {
			return d
		}
	}
	return with
}

// on is what is written on c.
func (c rgb) on() rgb {
	if c.contrast(black) > c.contrast(white) {
		return black
	}
	return white
}

// other is white for black and black for white: away from it, so that what is written on a colour stays readable.
func (c rgb) other() rgb {
	if c == black {
		return white
	}
	return black
}
