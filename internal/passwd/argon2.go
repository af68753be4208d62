package passwd

import (
	"encoding/binary"
	_ "unsafe" // for go:linkname

	_ "golang.org/x/crypto/argon2" // the functions linked below are in it
	"golang.org/x/crypto/blake2b"
)

// argon2id computes argon2.IDKey in memory that the caller provides. The memory must be blocksOf(p) blocks, all zero.
// Afterwards it contains data derived from the password, so the caller must clear it.
//
// The package exports no such function (golang/go#36634), so this calls the unexported functions that IDKey consists
// of. See docs/decisions/0018-memory-of-hashes.md.
func argon2id(memory []block, password, salt []byte, p Params, length int) []byte {
	const mode = 2 // argon2id
	threads, size := uint32(p.Threads), uint32(len(memory))
	h0 := initHash(password, salt, nil, nil, p.Time, p.Memory, threads, uint32(length), mode)
	// Fill the first two blocks of each lane: RFC 9106 section 3.2, steps 3 and 4.
	var first [1024]byte
	for lane := range threads {
		binary.LittleEndian.PutUint32(h0[blake2b.Size+4:], lane)
		for i := range uint32(2) {
			binary.LittleEndian.PutUint32(h0[blake2b.Size:], i)
			blake2bHash(first[:], h0[:])
			b := &memory[lane*(size/threads)+i]
			for k := range b {
				b[k] = binary.LittleEndian.Uint64(first[8*k:])
			}
		}
	}
	processBlocks(memory, p.Time, size, threads, mode)
	return extractKey(memory, size, threads, uint32(length))
}

// block is 1 KiB of the memory for a hash.
type block [128]uint64

// blocksOf returns how many blocks a hash needs: one for each KiB, rounded down to a multiple of four segments per lane.
func blocksOf(p Params) int {
	segments := 4 * int(p.Threads)
	return int(p.Memory) / segments * segments
}

// TestReferenceVectors and TestLikeTheLibrary fail if IDKey no longer consists of these functions.

//go:linkname initHash golang.org/x/crypto/argon2.initHash
func initHash(password, salt, key, data []byte, time, memory, threads, keyLen uint32, mode int) [blake2b.Size + 8]byte

//go:linkname blake2bHash golang.org/x/crypto/argon2.blake2bHash
func blake2bHash(out, in []byte)

//go:linkname processBlocks golang.org/x/crypto/argon2.processBlocks
func processBlocks(memory []block, time, size, threads uint32, mode int)

//go:linkname extractKey golang.org/x/crypto/argon2.extractKey
func extractKey(memory []block, size, threads, keyLen uint32) []byte
