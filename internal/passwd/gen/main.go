// Command gen generates common.fuse and words.gz from the unpacked word lists of two npm packages:
//
//	npm pack @zxcvbn-ts/language-common @zxcvbn-ts/language-en
//	go run ./internal/passwd/gen COMMON/src ENGLISH/src
//
// The lists are under the MIT licence (see internal/passwd/NOTICE). The same lists always give the same files.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/FastFilter/xorfilter"
)

const out = "internal/passwd"

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/passwd/gen COMMON/src ENGLISH/src")
		os.Exit(2)
	}
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(common, english string) error {
	passwords, err1 := read(common, "passwords.json")
	wikipedia, err2 := read(english, "wikipedia.json")
	spoken, err3 := read(english, "commonWords.json")
	first, err4 := read(english, "firstnames.json")
	last, err5 := read(english, "lastnames.json")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	if err := writeFilter(passwords); err != nil {
		return err
	}
	ranks := map[string]int{}
	for _, list := range [][]string{passwords, wikipedia, spoken[:30000], last[:10000]} {
		for i, word := range list {
			add(ranks, word, i+1)
		}
	}
	for _, word := range first { // in alphabetical order: all are equally likely
		add(ranks, word, len(first)/2)
	}
	return writeWords(ranks)
}

func read(dir, name string) (list []string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	return list, json.Unmarshal(b, &list)
}

// add skips words that a search through all strings of that length finds as fast.
func add(ranks map[string]int, word string, rank int) {
	n := utf8.RuneCountInString(word)
	if n < 3 || n < 8 && rank >= []int{1e3, 1e4, 1e5, 1e6, 1e7}[n-3] || strings.ContainsAny(word, " \n") {
		return
	}
	if old, ok := ranks[word]; !ok || rank < old {
		ranks[word] = rank
	}
}

func writeFilter(passwords []string) error {
	keys := make([]uint64, len(passwords))
	for i, p := range passwords {
		sum := sha256.Sum256([]byte(p))
		keys[i] = binary.LittleEndian.Uint64(sum[:])
	}
	filter, err := xorfilter.NewBinaryFuse[uint16](keys)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := filter.Save(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "common.fuse"), b.Bytes(), 0o644)
}

// writeWords writes one line per word, "word rank", sorted by word.
func writeWords(ranks map[string]int) error {
	lines := make([]string, 0, len(ranks))
	for word, rank := range ranks {
		lines = append(lines, fmt.Sprintf("%s %d", word, rank))
	}
	slices.Sort(lines)
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "words.gz"), b.Bytes(), 0o644)
}
