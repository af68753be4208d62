// Package colour makes text readable on any colour that a customer chooses, on pages and in e-mails.
package colour

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// RGB is a colour, each part from 0 to 255.
type RGB struct{ R, G, B float64 }

var (
	Black = RGB{}
	White = RGB{255, 255, 255}

	// Own is the colour where there is no brand, as style.css has it.
	Own = RGB{0x0b, 0x5c, 0xad}

	// The backgrounds of each look that need the most contrast, as style.css has them (--info-bg).
	light = RGB{0xe8, 0xf1, 0xfb}
	dark  = RGB{0x14, 0x27, 0x3c}
)

// enough is the contrast that text needs (WCAG 2.2, 1.4.3), with a little to spare for rounding.
const enough = 4.55

// Parse reads a colour written as # and six digits in lower case.
func Parse(s string) (c RGB, ok bool) {
	if len(s) != 7 || s[0] != '#' || strings.Trim(s[1:], "0123456789abcdef") != "" {
		return c, false
	}
	n, _ := strconv.ParseUint(s[1:], 16, 32) // the digits were checked
	return RGB{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

func (c RGB) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(c.R+.5), int(c.G+.5), int(c.B+.5))
}

// luminance is that of WCAG 2.2.
func (c RGB) luminance() float64 {
	part := func(v float64) float64 {
		if v /= 255; v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*part(c.R) + .7152*part(c.G) + .0722*part(c.B)
}

// Contrast is that of WCAG 2.2, from 1 to 21.
func (c RGB) Contrast(d RGB) float64 {
	a, b := c.luminance()+.05, d.luminance()+.05
	return max(a, b) / min(a, b)
}

// Towards mixes a share of another colour into c.
func (c RGB) Towards(d RGB, share float64) RGB {
	mix := func(a, b float64) float64 { return a + (b-a)*share }
	return RGB{mix(c.R, d.R), mix(c.G, d.G), mix(c.B, d.B)}
}

// OnLight is c as text on a light page, OnDark c as text on a dark one: darker or lighter by as little as it takes to
// read it.
func (c RGB) OnLight() RGB { return c.readable(light, Black) }
func (c RGB) OnDark() RGB  { return c.readable(dark, White) }

func (c RGB) readable(ground, with RGB) RGB {
	for share := 0.0; share < 1; share += .02 {
		if d := c.Towards(with, share); d.Contrast(ground) >= enough {
			return d
		}
	}
	return with
}

// Text is the colour of text on c: black or white, whichever has the higher contrast. One of them reaches 4.58 on every
// colour.
func (c RGB) Text() RGB {
	if c.Contrast(Black) > c.Contrast(White) {
		return Black
	}
	return White
}

// Stronger is c moved a little away from its text, for a control under the pointer.
func (c RGB) Stronger() RGB {
	if c.Text() == Black {
		return c.Towards(White, .2)
	}
	return c.Towards(Black, .2)
}
