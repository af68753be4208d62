package sallyport

import (
	"context"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ErrColourInvalid means that a colour is not written as #rrggbb.
var ErrColourInvalid = invalid("colour", "colour_invalid", text.Say("Enter a colour as # and six digits from 0 to 9 and a to f, such as #0b5cad."))

// SaveBrand replaces the name and the colour of the workspace's brand, which is shown on pages, in mails and in
// authenticator apps. An empty name or colour means the reseller's. Without a reseller, an empty name means the name of
// the workspace, and an empty colour that of Sallyport.
func (s *Service) SaveBrand(ctx context.Context, by Caller, name, colour string) error {
	name, colour = strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(colour))
	var wrong []error
	if name != "" {
		var err error
		if name, err = cleanName("name", name); err != nil {
			wrong = append(wrong, err)
		}
	}
	if colour != "" && !ValidColour(colour) {
		wrong = append(wrong, ErrColourInvalid)
	}
	if len(wrong) > 0 {
		return outcomes(wrong...)
	}
	return s.act(ctx, by, access{may: SetBrand}, func(tx Tx, me *actor) error {
		if by.workspace.Brand == name && by.workspace.Colour == colour {
			return nil
		}
		if err := tx.SaveBrand(me.Workspace, name, colour); err != nil {
			return err
		}
		return s.record(tx, by, "brand.changed", "", Done, map[string]string{"name": name, "colour": colour})
	})
}

// ValidColour reports whether a colour is # and six digits in lower case.
func ValidColour(c string) bool {
	_, ok := colour.Parse(c)
	return ok
}
