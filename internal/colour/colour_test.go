package colour_test

import (
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/colour"
)

// Every ninth value of each part, and the ends: whatever the colour, text on it and text in it can be read (4.5 to 1).
func TestTextIsReadableOnEveryColour(t *testing.T) {
	lightest, darkest := colour.RGB{R: 0xe8, G: 0xf1, B: 0xfb}, colour.RGB{R: 0x14, G: 0x27, B: 0x3c}
	for r := 0.0; r < 256; r += 8.5 {
		for g := 0.0; g < 256; g += 8.5 {
			for b := 0.0; b < 256; b += 8.5 {
				c, ok := colour.Parse(colour.RGB{R: r, G: g, B: b}.String())
				if !ok {
					t.Fatalf("%v is not parsed back", colour.RGB{R: r, G: g, B: b})
				}
				for what, contrast := range map[string]float64{
					"text on it":          c.Contrast(c.Text()),
					"text on it, hovered": c.Stronger().Contrast(c.Text()),
					"light page":          c.OnLight().Contrast(lightest),
					"white page":          c.OnLight().Contrast(colour.White),
					"dark page":           c.OnDark().Contrast(darkest),
				} {
					if contrast < 4.5 {
						t.Errorf("%s, %s: contrast %.2f", c, what, contrast)
					}
				}
			}
		}
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]bool{
		"#0b5cad": true, "#000000": true, "#ffffff": true,
		"": false, "#fff": false, "0b5cad0": false, "#0b5ca": false, "#0b5cadd": false, "#0B5CAD": false, "#0b5cag": false,
		"red": false, "#+b5cad": false,
	} {
		c, ok := colour.Parse(s)
		if ok != want || ok && c.String() != s {
			t.Errorf("%q: %v, %s", s, ok, c)
		}
	}
}
