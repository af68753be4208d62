package web

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// quietZone is the white margin that scanners need, in modules (ISO/IEC 18004, section 5.3.8).
const quietZone = 4

// leastWidth is the width of a QR code, in CSS pixels, that phones can scan from a screen. It grows by less than a module.
const leastWidth = 240

// qrSVG draws a QR code, black on white in any colour scheme. Its text alternative does not contain the content, which
// is a secret key, because screen readers would read it aloud.
func (p *pages) qrSVG(content string) (template.HTML, error) {
	code, err := qr.Encode(content, qr.M)
	if err != nil {
		return "", err
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", start+quietZone, y+quietZone, x-start, x-start)
		}
	}
	label := p.lang.Text(text.Say("QR code for your authenticator app. If you cannot scan it, type the key shown with it."))
	size := code.Size + 2*quietZone
	width := size * ((leastWidth + size - 1) / size) // whole pixels for each module: cameras read uneven ones less well
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d" `+
		`shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path fill="#000" d="%s"/></svg>`,
		template.HTMLEscapeString(label), size, size, width, width, size, size, path.String())), nil
}
