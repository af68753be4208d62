package web_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

// TestQR scans the drawing, which it renders from the path of the SVG.
func TestQR(t *testing.T) {
	kit, err := web.NewKit("http://localhost", nil, text.English, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	const key = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	for _, content := range []string{
		"otpauth://totp/Globex:ada@example.com?secret=" + key + "&issuer=Globex",
		"otpauth://totp/" + strings.Repeat("Gl%C3%B6bex", 12) + ":ada@example.com?secret=" + key,
	} {
		svg, err := kit.QR(content)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(svg); strings.Contains(s, key) || !strings.Contains(s, `role="img" aria-label="QR code`) ||
			!wholePixels(s) || !strings.Contains(s, `fill="#fff" d="M0 0h`) {
			t.Errorf("%s", s)
		}
		img := rasterise(t, string(svg))
		quiet := img.Bounds().Inset(quietZone * scale)
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				if !(image.Pt(x, y).In(quiet)) && img.GrayAt(x, y).Y != 255 {
					t.Fatalf("the quiet zone is not quiet at %d, %d", x, y)
				}
			}
		}
		bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
		if err != nil {
			t.Fatal(err)
		}
		read, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
		if err != nil || read.GetText() != content {
			t.Errorf("read %v, %v", read, err)
		}
	}
}

const (
	quietZone = 4 // modules
	scale     = 4 // pixels per module
)

func rasterise(t *testing.T, svg string) *image.Gray {
	t.Helper()
	var size int
	box := regexp.MustCompile(`viewBox="0 0 \d+ (\d+)"`).FindStringSubmatch(svg)
	if _, err := fmt.Sscan(box[1], &size); err != nil {
		t.Fatal(err)
	}
	img := image.NewGray(image.Rect(0, 0, size*scale, size*scale))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	path := regexp.MustCompile(`fill="#000" d="([^"]*)"`).FindStringSubmatch(svg)
	for _, run := range regexp.MustCompile(`M\d+ \d+h\d+v1h-\d+z`).FindAllString(path[1], -1) {
		var x, y, width, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%dz", &x, &y, &width, &back); err != nil || width != back {
			t.Fatalf("%s: %v", run, err)
		}
		r := image.Rect(x*scale, y*scale, (x+width)*scale, (y+1)*scale)
		draw.Draw(img, r, image.NewUniform(color.Black), image.Point{}, draw.Src)
	}
	return img
}

var qrSize = regexp.MustCompile(`viewBox="0 0 (\d+) \d+" width="(\d+)" height="(\d+)"`)

// wholePixels reports whether each module of a QR code is a whole number of pixels, and the code at least 240 wide.
func wholePixels(svg string) bool {
	m := qrSize.FindStringSubmatch(svg)
	if m == nil || m[2] != m[3] {
		return false
	}
	modules, _ := strconv.Atoi(m[1])
	width, _ := strconv.Atoi(m[2])
	return width >= 240 && width < 240+modules && width%modules == 0
}
