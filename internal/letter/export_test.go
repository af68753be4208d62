package letter

import (
	"slices"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Texts returns every text of a kind.
func Texts(kind string) []text.Key {
	k := kinds[kind]
	return slices.DeleteFunc([]text.Key{k.subject, k.says, k.many, k.then, k.not, k.open.Words()}, func(key text.Key) bool { return key == "" })
}
