package passwd

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/FastFilter/xorfilter"
)

// common.fuse is a binary fuse filter of the 49,233 most common passwords, made by gen. Of passwords that are not among
// them one in 65,536 is held to be.
//
//go:embed common.fuse
var commonFile []byte

// The filter is read at first use: nobody who starts a server waits for it.
var commonFilter = sync.OnceValue(func() *xorfilter.BinaryFuse[uint16] {
	f, err := xorfilter.LoadBinaryFuse[uint16](bytes.NewReader(commonFile))
	if err != nil {
		panic(fmt.Sprintf("passwd: the embedded common.fuse: %v", err))
	}
	return f
})

// isCommon reports whether a password is one of the most common, as it is or in small letters.
func isCommon(password string) bool {
	return inCommon(password) || inCommon(strings.ToLower(password))
}

func inCommon(password string) bool {
	sum := sha256.Sum256([]byte(password))
	return commonFilter().Contains(binary.LittleEndian.Uint64(sum[:]))
}
