package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/sallyport-2fa/sallyport"
)

// log generates an audit log that the product would need weeks for: events with their MACs, and the chain of seals after
// the batch that the product itself has sealed. It is a second implementation of the hashing: if the two differ, audit
// verify reports every event, and the benchmark fails.
type log struct {
	world     *largeWorld
	workspace string
	people    []string
	events    int // wanted in total, including existing ones

	head  sallyport.SealHead
	seals [][]any
}

// batchOf is the number of events per seal.
const batchOf = 256

// begin reads what the product has already sealed.
func (l *log) begin(ctx context.Context, b bulk) error {
	row, err := b.texts(ctx, `SELECT lower(hex(hash)) FROM seal_heads WHERE workspace_id = '`+l.workspace+`' AND batch = 1`)
	if b.postgres != nil {
		row, err = b.texts(ctx, `SELECT encode(hash, 'hex') FROM seal_heads WHERE workspace_id = '`+l.workspace+`' AND batch = 1`)
	}
	if err != nil || len(row) != 1 {
		return fmt.Errorf("the first batch of a log: %d of them, %w", len(row), err)
	}
	l.head = sallyport.SealHead{Workspace: l.workspace, First: 1, Batch: 1}
	l.head.Hash, err = hex.DecodeString(row[0])
	return err
}

var eventColumns = []string{"workspace_id", "id", "at", "kind", "actor", "actor_kind", "subject", "door", "address", "browser", "salt", "personal_hash",
	"result", "app", "detail", "mac"}

// kinds are the most frequent events, with their share in percent.
var kinds = []struct {
	share        int
	kind, result string
	name, value  string
}{
	{62, "sign_in.completed", "done", "method", "authenticator"},
	{14, "session.signed_out", "done", "", ""},
	{9, "password.wrong", "refused", "", ""},
	{6, "code.wrong", "refused", "", ""},
	{5, "session.stepped_up", "done", "method", "authenticator"},
	{2, "trusted_device.added", "done", "name", "Firefox on Windows"},
	{1, "two_factor.enabled", "done", "name", "Phone"},
	{1, "password.changed", "done", "", ""},
}

func (l *log) lines(yield func([]any) bool) bool {
	r := rand.New(rand.NewPCG(3, 4))
	macs, list := sha256.New(), sallyport.EventList{}
	every := time.Since(l.world.began) / time.Duration(l.events+1)
	var at time.Time
	for i := 1; i < l.events; i++ { // one event exists
		at = l.world.began.Add(time.Duration(i) * every)
		row, mac := l.line(r, i, at)
		if !list.Add(row[1].(string)) {
			panic("an id that is none: " + row[1].(string))
		}
		if !yield(row) {
			return false
		}
		macs.Write(mac)
		if len(list) == batchOf*16 || i == l.events-1 {
			l.seal(at, list, macs.Sum(nil))
			macs.Reset()
			list = nil
		}
	}
	return true
}

func (l *log) line(r *rand.Rand, i int, at time.Time) (row []any, mac []byte) {
	k, n, share := kinds[0], r.IntN(100), 0
	for _, k = range kinds {
		if share += k.share; n < share {
			break
		}
	}
	who := l.people[r.IntN(len(l.people))]
	id := idAt("evt_", at, uint64(i))
	address := fmt.Sprintf("198.51.%d.%d", r.IntN(256), r.IntN(256))
	const browser = "Firefox on Windows"
	salt := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64())
	personal := sha256.Sum256([]byte(string(salt) + address + "\x00" + browser))
	detail := ""
	m := words("event", l.workspace, id, k.kind, who, "user", who, "web", k.result, "")
	m = binary.BigEndian.AppendUint64(m, uint64(at.UnixMilli()))
	m = append(m, words(string(personal[:]))...)
	if k.name != "" {
		detail = `{"` + k.name + `":"` + k.value + `"}`
		m = append(m, words(k.name, k.value)...)
	}
	mac = l.world.keys.Audit(m)[:16]
	return []any{l.workspace, id, at.UnixMilli(), k.kind, who, "user", who, "web", address, browser, salt, personal[:], k.result, "", detail, mac}, mac
}

// words prefixes each text with its length.
func words(all ...string) (b []byte) {
	for _, s := range all {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

func (l *log) seal(at time.Time, list sallyport.EventList, macs []byte) {
	batch, count, previous := l.head.Batch+1, len(list)/16, l.head.Hash
	numbers := binary.BigEndian.AppendUint64(nil, uint64(batch))
	numbers = binary.BigEndian.AppendUint64(numbers, uint64(count))
	numbers = binary.BigEndian.AppendUint64(numbers, uint64(at.UnixMilli()))
	hash := sha256.Sum256([]byte(string(words("seal", l.workspace)) + string(numbers) + string(words(string(previous), string(macs)))))
	mac := l.world.keys.Audit([]byte(string(words("sealed", l.workspace)) + string(numbers) + string(words(string(previous), string(hash[:]), string(list)))))
	l.seals = append(l.seals, []any{l.workspace, batch, int64(count), at.UnixMilli(), previous, hash[:], []byte(list), mac})
	l.head.Batch, l.head.Hash = batch, hash[:]
}

var sealColumns = []string{"workspace_id", "batch", "count", "at", "previous", "hash", "events", "mac"}

func (l *log) sealed() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for _, row := range l.seals {
			if !yield(row) {
				return
			}
		}
	}
}

// end stores the last seal as the head of the chain.
func (l *log) end(ctx context.Context, b bulk) error {
	m := binary.BigEndian.AppendUint64(words("head", l.workspace), uint64(l.head.First))
	m = append(binary.BigEndian.AppendUint64(m, uint64(l.head.Batch)), words(string(l.head.Hash))...)
	literal := "X'%x'"
	if b.postgres != nil {
		literal = `'\x%x'::bytea`
	}
	return b.exec(ctx, fmt.Sprintf("UPDATE seal_heads SET batch = %d, hash = "+literal+", mac = "+literal+" WHERE workspace_id = '%s'",
		l.head.Batch, l.head.Hash, l.world.keys.Audit(m), l.workspace))
}
