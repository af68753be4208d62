package passwd

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/FastFilter/xorfilter"
)

// A list file is a header, an index of 4096 shards, and the shards. A shard is the binary fuse filter, with 16-bit
// fingerprints (2.3 bytes per hash), of the hashes whose first 12 bits are the shard's number. Every part has a checksum.
// Numbers are big-endian:
//
//	magic 16 | file size 8 | hash count 8 | 4096 x (offset 8, length 4, crc32 4) | crc32 of the above 4 | shards
const (
	listName   = "compromised.fuse"
	listMagic  = "sallyport-sha1-1"
	shards     = 4096
	entryBytes = 16
	headBytes  = len(listMagic) + 8 + 8 + shards*entryBytes + 4
)

// List is a list of compromised passwords on disk. Only its index is in memory. It is safe for concurrent use.
type List struct {
	file   *os.File
	hashes uint64
	index  [shards]entry
}

type entry struct {
	offset      uint64
	length, sum uint32
}

// Build writes a list to dir, which it creates, from lines "SHA1:count" in hexadecimal, ordered by hash, as the public
// lists are published. It ignores the count. It replaces an existing list in one step when the new one is complete, and
// keeps it on any error. An open List keeps the old one. Build uses the memory of one shard, 1/4096 of the hashes. It
// returns the number of hashes. An error names the line number, but never contains the line.
func Build(in io.Reader, dir string) (hashes uint64, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("passwd: %w", err)
	}
	file, err := os.CreateTemp(dir, listName+".new-*")
	if err != nil {
		return 0, fmt.Errorf("passwd: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
		}
	}()
	b := builder{file: file, end: uint64(headBytes)}
	if err := b.read(in); err != nil {
		return 0, fmt.Errorf("passwd: %w", err)
	}
	if err := b.finish(); err != nil {
		return 0, fmt.Errorf("passwd: %w", err)
	}
	if err := os.Rename(file.Name(), filepath.Join(dir, listName)); err != nil {
		return 0, fmt.Errorf("passwd: %w", err)
	}
	return b.hashes, nil
}

type builder struct {
	file   *os.File
	end    uint64 // of the data written so far
	hashes uint64
	index  [shards]entry
	shard  int      // being collected
	keys   []uint64 // of that shard
	fuse   xorfilter.BinaryFuseBuilder
}

func (b *builder) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	var last, hash [sha1.Size]byte
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if n == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		line, _, _ := bytes.Cut(text, []byte(":"))
		if len(line) != hex.EncodedLen(len(hash)) {
			return fmt.Errorf("line %d does not begin with a SHA-1 hash", n)
		}
		if _, err := hex.Decode(hash[:], line); err != nil {
			return fmt.Errorf("line %d does not begin with a SHA-1 hash", n)
		}
		if order := bytes.Compare(hash[:], last[:]); order < 0 {
			return fmt.Errorf("line %d is not in order of the hash: take the list ordered by hash, or sort it", n)
		} else if order == 0 && n > 1 {
			continue
		}
		last = hash
		shard, key := place(hash)
		if shard != b.shard {
			if err := b.write(); err != nil {
				return err
			}
			b.shard = shard
		}
		b.keys = append(b.keys, key)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("after line %d: %w", n, err)
	}
	if n == 0 {
		return errors.New("the list is empty")
	}
	return b.write()
}

// place returns the shard of a hash and its key in the shard's filter.
func place(hash [sha1.Size]byte) (shard int, key uint64) {
	return int(binary.BigEndian.Uint16(hash[:])) >> 4, binary.BigEndian.Uint64(hash[8:])
}

// write appends the collected shard to the file.
func (b *builder) write() error {
	if len(b.keys) == 0 {
		return nil
	}
	b.hashes += uint64(len(b.keys))
	filter, err := xorfilter.BuildBinaryFuse[uint16](&b.fuse, b.keys)
	if err != nil {
		return fmt.Errorf("shard %03x: %w", b.shard, err)
	}
	var bytes bytes.Buffer
	if err := filter.Save(&bytes); err != nil {
		return err
	}
	if _, err := b.file.WriteAt(bytes.Bytes(), int64(b.end)); err != nil {
		return err
	}
	b.index[b.shard] = entry{b.end, uint32(bytes.Len()), crc32.ChecksumIEEE(bytes.Bytes())}
	b.end += uint64(bytes.Len())
	b.keys = b.keys[:0]
	return nil
}

// finish writes the header and syncs the file to disk.
func (b *builder) finish() error {
	head := make([]byte, 0, headBytes)
	head = append(head, listMagic...)
	head = binary.BigEndian.AppendUint64(head, b.end)
	head = binary.BigEndian.AppendUint64(head, b.hashes)
	for _, e := range b.index {
		head = binary.BigEndian.AppendUint64(head, e.offset)
		head = binary.BigEndian.AppendUint32(head, e.length)
		head = binary.BigEndian.AppendUint32(head, e.sum)
	}
	head = binary.BigEndian.AppendUint32(head, crc32.ChecksumIEEE(head))
	if _, err := b.file.WriteAt(head, 0); err != nil {
		return err
	}
	return errors.Join(b.file.Chmod(0o644), b.file.Sync(), b.file.Close())
}

// Open opens the list that Build wrote to dir. The error is fs.ErrNotExist if there is none. A file that is truncated,
// damaged or of another format is an error.
func Open(dir string) (*List, error) {
	file, err := os.Open(filepath.Join(dir, listName))
	if err != nil {
		return nil, fmt.Errorf("passwd: %w", err)
	}
	l := &List{file: file}
	if err := l.readHead(); err != nil {
		file.Close()
		return nil, fmt.Errorf("passwd: %s: %w", file.Name(), err)
	}
	return l, nil
}

func (l *List) readHead() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, headBytes)
	if n, err := l.file.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	} else if n < len(listMagic) || string(head[:len(listMagic)]) != listMagic {
		return errors.New("is not a list of compromised passwords; create one with: sallyport passwords build")
	} else if n < headBytes {
		return errors.New("is truncated; build it again")
	}
	if crc32.ChecksumIEEE(head[:headBytes-4]) != binary.BigEndian.Uint32(head[headBytes-4:]) {
		return errors.New("is damaged: wrong checksum; build it again")
	}
	rest := head[len(listMagic):]
	if size := binary.BigEndian.Uint64(rest); uint64(info.Size()) != size {
		return fmt.Errorf("has %d bytes instead of %d; build it again", info.Size(), size)
	}
	l.hashes = binary.BigEndian.Uint64(rest[8:])
	rest = rest[16:]
	for i := range l.index {
		e := rest[i*entryBytes:]
		l.index[i] = entry{binary.BigEndian.Uint64(e), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])}
	}
	return nil
}

// Len returns the number of hashes in the list.
func (l *List) Len() uint64 { return l.hashes }

// Contains reports whether the list contains a password, as typed or normalised. At most one in 32,768 other passwords
// is a false positive. It reads one shard, about 2.3 bytes for every 4096 hashes of the list. After an error (the list
// is unreadable or damaged), nothing is known about the password.
func (l *List) Contains(password string) (bool, error) {
	found, err := l.has(password)
	if normal := Normalise(password); !found && err == nil && normal != password {
		return l.has(normal)
	}
	return found, err
}

func (l *List) has(password string) (bool, error) {
	shard, key := place(sha1.Sum([]byte(password)))
	e := l.index[shard]
	if e.length == 0 {
		return false, nil
	}
	b := make([]byte, e.length)
	if _, err := l.file.ReadAt(b, int64(e.offset)); err != nil {
		return false, fmt.Errorf("passwd: %w", err)
	}
	if crc32.ChecksumIEEE(b) != e.sum {
		return false, fmt.Errorf("passwd: %s: shard %03x is damaged: wrong checksum; build it again", l.file.Name(), shard)
	}
	filter, err := xorfilter.LoadBinaryFuse[uint16](bytes.NewReader(b))
	if err != nil {
		return false, fmt.Errorf("passwd: %s: shard %03x: %w", l.file.Name(), shard, err)
	}
	return filter.Contains(key), nil
}

// Close closes the file.
func (l *List) Close() error { return l.file.Close() }
