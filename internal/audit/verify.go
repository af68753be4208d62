package audit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"hash/maphash"
	"math"
	"slices"

	"github.com/sallyport-2fa/sallyport"
)

// Fault is what can be wrong with the audit log, in words that follow the name of the place.
type Fault string

const (
	FaultChanged   Fault = "was changed, or not written by Sallyport"
	FaultErased    Fault = "lost its address and browser, though the person was not deleted"
	FaultInserted  Fault = "does not belong here"
	FaultMoved     Fault = "is not where it was sealed"
	FaultRemoved   Fault = "was removed"
	FaultSeal      Fault = "has a seal that does not fit its events or the seal before it"
	FaultNoSeal    Fault = "has lost its seal"
	FaultCut       Fault = "was cut off, with everything after it"
	FaultHead      Fault = "has lost the record of where it begins and ends, or that record was changed"
	FaultBeginning Fault = "does not begin with the creation of the workspace"
	FaultUnsealed  Fault = "has waited too long for its seal: is the server running?"
)

// Finding is something that is wrong, and where: Event, or Batch and Position, name a line; Batch alone names a
// batch; with none of them, it is about the whole log.
type Finding struct {
	Fault    Fault
	Batch    int64
	Position int
	Event    string // id
	Count    int    // how many consecutive lines or batches, from this one on; 0 is one
}

// Report is a summary of what was verified.
type Report struct {
	Events   int // number of all events
	Waiting  int // number of those that have no seal yet
	Findings int
	Head     sallyport.SealHead // after the verification
}

// Verify verifies the audit log of the caller's workspace, from the console. It checks that no line was changed
// since it was written, and that none was removed, inserted or moved since it was sealed. It calls found for each
// finding. The log may grow while it runs. It cannot detect that lines were removed from the end within seconds, before
// they were sealed.
func Verify(ctx context.Context, s *sallyport.Service, by sallyport.Caller, found func(Finding)) (Report, error) {
	if !by.OnHost() {
		return Report{}, sallyport.ErrNotAllowed
	}
	v := verifier{s: s, ctx: ctx, workspace: by.Workspace(), found: found, seed: maphash.MakeSeed(), waiting: map[uint64]struct{}{}}
	err := s.Store.Read(ctx, func(tx sallyport.Tx) error {
		v.tx = tx
		return v.run()
	})
	v.report.Head = v.head
	return v.report, err
}

// verifier verifies one log: first that the events of each seal are there, and then that each event has a seal or waits
// for one.
type verifier struct {
	s         *sallyport.Service
	ctx       context.Context
	tx        sallyport.Tx
	workspace sallyport.Workspace
	found     func(Finding)
	report    Report
	head      sallyport.SealHead

	first   int64  // the batch that verification began with
	last    int64  // the last batch that was verified
	hash    []byte // of its seal, if that is valid
	batch   *openBatch
	pending []Finding
	erased  []sallyport.Event
	begun   bool // the line about the creation of the workspace was seen

	// Hashes of the ids that were seen in a seal, and of those that waited for one: 64 bits instead of 30 characters, as
	// there may be millions. The seed keeps anyone from choosing an id with the hash of another.
	seed            maphash.Seed
	sealed, waiting map[uint64]struct{}
	late, lost      Finding
}

// openBatch is the batch that is being verified.
type openBatch struct {
	sallyport.Seal
	next   int // next expected position
	id     string
	macs   hash.Hash
	faulty bool
}

func (v *verifier) run() error {
	var ok bool
	var err error
	if v.head, ok, err = v.tx.SealHead(v.workspace.ID); err != nil {
		return err
	}
	if ok && !headHolds(v.s.Keys, v.head) || !ok && v.s.Now().Sub(v.workspace.CreatedAt) > SealLimit {
		v.fault(Finding{Fault: FaultHead})
	}
	n, err := v.tx.CountEvents(v.workspace.ID)
	if err != nil {
		return err
	}
	v.sealed = make(map[uint64]struct{}, n)
	v.first = max(v.head.First, 1)
	v.last = v.first - 1
	if err := v.before(); err != nil {
		return err
	}
	for grown := true; grown; {
		if err = v.seals(); err == nil {
			grown, err = v.end()
		}
		if err != nil {
			return err
		}
	}
	if err = v.unsealed(); err == nil {
		err = v.strays()
	}
	if err != nil {
		return err
	}
	for _, f := range []Finding{v.late, v.lost} {
		if f.Count > 0 {
			v.fault(f)
		}
	}
	return v.flush()
}

// before looks for seals before the first batch.
func (v *verifier) before() error {
	seals, err := v.tx.Seals(v.workspace.ID, math.MinInt64, 1)
	if err == nil && len(seals) > 0 && seals[0].Batch <= v.last {
		v.fault(Finding{Fault: FaultInserted, Batch: seals[0].Batch})
	}
	return err
}

// seals verifies all seals after the last one, with their events.
func (v *verifier) seals() error {
	for {
		some, err := v.tx.Seals(v.workspace.ID, v.last, 512)
		if err != nil || len(some) == 0 {
			return err
		}
		if err := v.readAhead(some); err != nil {
			return err
		}
		if err := v.flush(); err != nil {
			return err
		}
	}
}

// line is an event, and whether it is unchanged since it was written.
type line struct {
	sallyport.Event
	genuine bool
}

// piece is a number of batches that are being read from the database.
type piece struct {
	seals []sallyport.Seal
	done  chan struct{} // closed when lines and err may be read
	lines [][]line      // of each seal
	err   error
}

const (
	// piecesAtOnce is how many pieces are read in parallel, because reading and checking lines takes the most time.
	piecesAtOnce = 4
	pieceBatches = 16
)

// readAhead verifies some seals, and reads the lines of the next ones in the meantime.
func (v *verifier) readAhead(seals []sallyport.Seal) (err error) {
	ctx, cancel := context.WithCancel(v.ctx)
	defer cancel()
	ahead := make(chan *piece, piecesAtOnce-1)
	go func() {
		defer close(ahead)
		for some := range slices.Chunk(seals, pieceBatches) {
			p := &piece{seals: some, done: make(chan struct{}), lines: make([][]line, len(some))}
			ahead <- p
			go func() {
				defer close(p.done)
				p.err = v.s.Store.Read(ctx, func(tx sallyport.Tx) error { return p.read(ctx, v.s, tx) })
			}()
		}
	}()
	for p := range ahead {
		<-p.done
		if err == nil && p.err != nil {
			err = p.err
			cancel()
		}
		for i := 0; i < len(p.seals) && err == nil; i++ {
			v.seal(p.seals[i], p.lines[i])
		}
	}
	return err
}

// read reads and checks the lines of the piece. Seals without a list are older than all others.
func (p *piece) read(ctx context.Context, s *sallyport.Service, tx sallyport.Tx) error {
	type place struct {
		id             string
		seal, position int
	}
	var listed []place
	old := 0
	for i, of := range p.seals {
		if of.Events == nil {
			old = i + 1
		}
		for j, id := range of.Events.IDs() {
			listed = append(listed, place{id, i, j + 1})
		}
		p.lines[i] = make([]line, 0, max(0, min(of.Count, sealBatch)))
	}
	if old > 0 {
		err := tx.LoggedIn(p.seals[0].Workspace, p.seals[0].Batch, p.seals[old-1].Batch, func(e sallyport.Event) error {
			i, found := slices.BinarySearchFunc(p.seals, e.Batch, func(s sallyport.Seal, batch int64) int { return cmp.Compare(s.Batch, batch) })
			if found && p.seals[i].Events == nil {
				p.lines[i] = append(p.lines[i], line{e, e.Genuine(s.Keys)})
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(listed, func(a, b place) int { return cmp.Compare(a.id, b.id) })
	ids := make([]string, len(listed))
	for i, l := range listed {
		ids[i] = l.id
	}
	return tx.Logged(p.seals[0].Workspace, ids, func(e sallyport.Event) error {
		genuine := e.Batch == 0 && e.Position == 0 && e.Genuine(s.Keys)
		for ; len(listed) > 0 && listed[0].id <= e.ID; listed = listed[1:] {
			if at := listed[0]; at.id == e.ID {
				e.Batch, e.Position = p.seals[at.seal].Batch, at.position
				p.lines[at.seal] = append(p.lines[at.seal], line{e, genuine})
			}
		}
		return ctx.Err()
	})
}

// seal verifies the next seal and its lines.
func (v *verifier) seal(s sallyport.Seal, lines []line) {
	if s.Batch > v.last+1 {
		v.fault(Finding{Fault: FaultRemoved, Batch: v.last + 1, Count: int(s.Batch - v.last - 1)})
		v.hash = nil
	}
	v.last = s.Batch
	v.batch = &openBatch{Seal: s, next: 1, macs: sha256.New()}
	if !hmac.Equal(s.MAC, sealMAC(v.s.Keys, s)) || v.hash != nil && !bytes.Equal(v.hash, s.Previous) {
		v.fault(Finding{Fault: FaultSeal, Batch: s.Batch})
	}
	v.hash = s.Hash
	for _, l := range lines {
		v.line(l)
	}
	v.close()
}

// line checks one event of the open batch.
func (v *verifier) line(e line) {
	v.content(e)
	b := v.batch
	switch {
	case e.Position >= b.next && e.Position <= b.Count:
		if e.Position > b.next {
			v.fault(Finding{Fault: FaultRemoved, Batch: b.Batch, Position: b.next, Count: e.Position - b.next})
		}
		b.next = e.Position + 1
	default:
		v.fault(Finding{Fault: FaultInserted, Event: e.ID, Batch: b.Batch, Position: e.Position})
	}
	if !v.add(v.sealed, e.ID) || e.ID < b.id {
		v.fault(Finding{Fault: FaultMoved, Event: e.ID, Batch: b.Batch, Position: e.Position})
	}
	b.id = max(b.id, e.ID)
	b.macs.Write(e.MAC)
	if v.has(v.waiting, e.ID) { // it was sealed after it was counted
		v.report.Events--
		v.report.Waiting--
	}
}

func (v *verifier) has(ids map[uint64]struct{}, id string) bool {
	_, ok := ids[maphash.String(v.seed, id)]
	return ok
}

// add returns false if the id was there before.
func (v *verifier) add(ids map[uint64]struct{}, id string) bool {
	n := len(ids)
	ids[maphash.String(v.seed, id)] = struct{}{}
	return len(ids) > n
}

// content checks the content of one event.
func (v *verifier) content(e line) {
	v.report.Events++
	v.begun = v.begun || e.Kind == "workspace.created"
	switch {
	case !e.genuine:
		v.fault(Finding{Fault: FaultChanged, Event: e.ID, Batch: e.Batch, Position: e.Position})
	case e.Salt == nil:
		v.erased = append(v.erased, e.Event)
	}
}

// close ends the open batch.
func (v *verifier) close() {
	b := v.batch
	v.batch = nil
	if b.Batch == 1 && !v.begun {
		v.fault(Finding{Fault: FaultBeginning})
	}
	if b.next <= b.Count {
		v.fault(Finding{Fault: FaultRemoved, Batch: b.Batch, Position: b.next, Count: b.Count - b.next + 1})
		b.faulty = true
	}
	again := b.Seal
	sign(v.s.Keys, &again, b.macs.Sum(nil))
	if !b.faulty && !bytes.Equal(again.Hash, b.Hash) {
		v.fault(Finding{Fault: FaultSeal, Batch: b.Batch})
	}
}

// end compares the last seal with the head. grown reports that there are new seals.
func (v *verifier) end() (grown bool, err error) {
	if v.head, _, err = v.tx.SealHead(v.workspace.ID); err != nil {
		return false, err
	}
	seals, err := v.tx.Seals(v.workspace.ID, v.last, 1)
	if err != nil || len(seals) > 0 {
		return true, err
	}
	switch {
	case v.head.Batch > v.last:
		v.fault(Finding{Fault: FaultCut, Batch: v.last + 1, Count: int(v.head.Batch - v.last)})
	case v.head.Batch > 0 && (v.head.Batch < v.last || v.hash != nil && !bytes.Equal(v.hash, v.head.Hash)):
		v.fault(Finding{Fault: FaultHead})
	}
	return false, v.flush()
}

func (v *verifier) fault(f Finding) {
	if v.batch != nil {
		v.batch.faulty = true
	}
	v.pending = append(v.pending, f)
}

// flush reports what was found so far, except batches that were deleted in the meantime because they were old.
func (v *verifier) flush() error {
	var ids []string
	for _, e := range v.erased {
		ids = append(ids, e.Person())
	}
	there, err := v.tx.Named(v.workspace.ID, distinct(ids))
	if err != nil {
		return err
	}
	for _, e := range v.erased {
		if who := e.Person(); who == "" || there[who].ID != "" {
			v.fault(Finding{Fault: FaultErased, Event: e.ID, Batch: e.Batch, Position: e.Position})
		}
	}
	v.erased = nil
	if len(v.pending) == 0 {
		return nil
	}
	head, _, err := v.tx.SealHead(v.workspace.ID)
	if err != nil {
		return err
	}
	for _, f := range v.pending {
		gone := f.Fault == FaultRemoved && f.Batch > 0 && f.Batch < head.First && headHolds(v.s.Keys, head)
		if !gone {
			v.report.Findings++
			v.found(f)
		}
	}
	v.pending = nil
	return nil
}

// Contains reports whether the log of the caller's workspace contains this seal. If a log was cut back to an older
// state, together with its head, it does not contain the seals made after that.
func Contains(ctx context.Context, s *sallyport.Service, by sallyport.Caller, batch int64, hash []byte) (there bool, err error) {
	if !by.OnHost() {
		return false, sallyport.ErrNotAllowed
	}
	return there, s.Store.Read(ctx, func(tx sallyport.Tx) error {
		seals, err := tx.Seals(by.Workspace().ID, batch-1, 1)
		there = len(seals) > 0 && seals[0].Batch == batch && hmac.Equal(seals[0].Hash, hash)
		return err
	})
}
