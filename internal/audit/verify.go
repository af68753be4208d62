package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
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
	v := verifier{s: s, ctx: ctx, workspace: by.Workspace(), found: found}
	err := s.Store.Read(ctx, func(tx sallyport.Tx) error {
		v.tx = tx
		return v.run()
	})
	v.report.Head = v.head
	return v.report, err
}

// verifier verifies one log.
type verifier struct {
	s         *sallyport.Service
	ctx       context.Context
	tx        sallyport.Tx
	workspace sallyport.Workspace
	found     func(Finding)
	report    Report
	head      sallyport.SealHead

	last    int64  // the last batch that was verified
	hash    []byte // of its seal, if that is valid
	batch   *openBatch
	pending []Finding
	erased  []sallyport.Event
	begun   bool // the line about the creation of the workspace was seen
}

// openBatch is the batch that is being verified.
type openBatch struct {
	sallyport.Seal
	next    int // next expected position
	id      string
	macs    hash.Hash
	faulty  bool
	hasSeal bool
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
	v.last = max(v.head.First, 1) - 1
	if err := v.before(); err != nil {
		return err
	}
	for {
		seals, err := v.tx.Seals(v.workspace.ID, v.last, 512)
		if err != nil {
			return err
		}
		if len(seals) > 0 {
			if err := v.chunk(seals); err != nil {
				return err
			}
			continue
		}
		grown, err := v.end()
		if err != nil {
			return err
		}
		if !grown {
			break
		}
	}
	return v.unsealed()
}

// before looks for lines and seals before the first batch.
func (v *verifier) before() error {
	seals, err := v.tx.Seals(v.workspace.ID, math.MinInt64, 1)
	if err == nil && len(seals) > 0 && seals[0].Batch <= v.last {
		v.fault(Finding{Fault: FaultInserted, Batch: seals[0].Batch})
	}
	if err != nil {
		return err
	}
	err = v.tx.Sealed(v.workspace.ID, math.MinInt64, v.last, func(e sallyport.Event) error {
		v.fault(Finding{Fault: FaultInserted, Event: e.ID, Batch: e.Batch, Position: e.Position})
		return nil
	})
	if err != nil {
		return err
	}
	return v.flush()
}

// chunk verifies the batches of some consecutive seals.
func (v *verifier) chunk(seals []sallyport.Seal) error {
	all := seals
	next := func(batch int64) { // opens the batch, and closes the batches before it
		for v.batch == nil || v.batch.Batch < batch {
			v.close()
			if len(seals) > 0 && seals[0].Batch <= batch {
				v.open(seals[0])
				seals = seals[1:]
			} else {
				v.step(batch)
				v.batch, v.hash = &openBatch{Seal: sallyport.Seal{Batch: batch}}, nil
				v.fault(Finding{Fault: FaultNoSeal, Batch: batch})
			}
		}
	}
	err := v.lines(all, func(l line) {
		next(l.Batch)
		v.line(l)
	})
	if err != nil {
		return err
	}
	if len(seals) > 0 {
		next(seals[len(seals)-1].Batch)
	}
	v.close()
	return v.flush()
}

// line is an event, and whether it is unchanged since it was written.
type line struct {
	sallyport.Event
	genuine bool
}

// piece is a number of batches that are being read from the database.
type piece struct {
	pages chan []line
	err   error // may be read once pages is closed
}

const (
	// piecesAtOnce is how many pieces are read in parallel, because reading and checking lines takes the most time.
	piecesAtOnce  = 4
	pieceBatches  = 16
	piecePage     = 512
	piecesPending = 2 * pieceBatches * sealBatch / piecePage // pages; reading an intact piece never has to wait for room
)

// lines calls each with the lines of the batches after the last one, in order.
func (v *verifier) lines(seals []sallyport.Seal, each func(line)) (err error) {
	ctx, cancel := context.WithCancel(v.ctx)
	defer cancel()
	ahead := make(chan *piece, piecesAtOnce-1)
	first := v.last + 1
	go func() {
		defer close(ahead)
		for some := range slices.Chunk(seals, pieceBatches) {
			p, last := &piece{pages: make(chan []line, piecesPending)}, some[len(some)-1].Batch
			ahead <- p
			go readPiece(ctx, v.s, p, v.workspace.ID, first, last)
			first = last + 1
		}
	}()
	for p := range ahead {
		for page := range p.pages {
			for _, l := range page {
				if err == nil {
					each(l)
				}
			}
		}
		if err == nil && p.err != nil {
			err = p.err
			cancel()
		}
	}
	return err
}

// readPiece reads and checks the lines of some batches.
func readPiece(ctx context.Context, s *sallyport.Service, p *piece, workspace string, first, last int64) {
	defer close(p.pages)
	var page []line
	p.err = s.Store.Read(ctx, func(tx sallyport.Tx) error {
		return tx.Sealed(workspace, first, last, func(e sallyport.Event) error {
			if page = append(page, line{e, e.Genuine(s.Keys)}); len(page) == piecePage {
				p.pages <- page
				page = make([]line, 0, piecePage)
			}
			return ctx.Err()
		})
	})
	p.pages <- page
}

// step advances to a batch, and reports any batches in between as removed.
func (v *verifier) step(batch int64) {
	if batch > v.last+1 {
		v.fault(Finding{Fault: FaultRemoved, Batch: v.last + 1, Count: int(batch - v.last - 1)})
		v.hash = nil
	}
	v.last = batch
}

// open begins a batch that has a seal.
func (v *verifier) open(seal sallyport.Seal) {
	v.step(seal.Batch)
	v.batch = &openBatch{Seal: seal, next: 1, macs: sha256.New(), hasSeal: true}
	if !hmac.Equal(seal.MAC, sealMAC(v.s.Keys, seal)) || v.hash != nil && !bytes.Equal(v.hash, seal.Previous) {
		v.fault(Finding{Fault: FaultSeal, Batch: seal.Batch})
	}
	v.hash = seal.Hash
}

// line checks one event of the open batch.
func (v *verifier) line(e line) {
	v.content(e)
	b := v.batch
	if !b.hasSeal {
		return
	}
	switch {
	case e.Position >= b.next && e.Position <= b.Count:
		if e.Position > b.next {
			v.fault(Finding{Fault: FaultRemoved, Batch: b.Batch, Position: b.next, Count: e.Position - b.next})
		}
		b.next = e.Position + 1
	default:
		v.fault(Finding{Fault: FaultInserted, Event: e.ID, Batch: b.Batch, Position: e.Position})
	}
	if e.ID < b.id {
		v.fault(Finding{Fault: FaultMoved, Event: e.ID, Batch: b.Batch, Position: e.Position})
	}
	b.id = max(b.id, e.ID)
	b.macs.Write(e.MAC)
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
	if b == nil {
		return
	}
	v.batch = nil
	if b.Batch == 1 && !v.begun {
		v.fault(Finding{Fault: FaultBeginning})
	}
	if !b.hasSeal {
		return
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
	var stray []Finding
	err = v.tx.Sealed(v.workspace.ID, v.last+1, math.MaxInt64, func(e sallyport.Event) error {
		if n := len(stray); n == 0 || stray[n-1].Batch != e.Batch {
			stray = append(stray, Finding{Fault: FaultNoSeal, Batch: e.Batch})
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if v.head, _, err = v.tx.SealHead(v.workspace.ID); err != nil {
		return false, err
	}
	seals, err := v.tx.Seals(v.workspace.ID, v.last, 1)
	if err != nil || len(seals) > 0 {
		return true, err
	}
	for _, f := range stray {
		v.fault(f)
	}
	switch {
	case v.head.Batch > v.last:
		v.fault(Finding{Fault: FaultCut, Batch: v.last + 1, Count: int(v.head.Batch - v.last)})
	case v.head.Batch > 0 && (v.head.Batch < v.last || v.hash != nil && !bytes.Equal(v.hash, v.head.Hash)):
		v.fault(Finding{Fault: FaultHead})
	}
	return false, v.flush()
}

// unsealed checks the events that have no seal yet.
func (v *verifier) unsealed() error {
	late := Finding{Fault: FaultUnsealed}
	for after := ""; ; {
		events, err := v.tx.Unsealed(v.workspace.ID, after, 1000)
		if err != nil {
			return err
		}
		for _, e := range events {
			v.content(line{e, e.Genuine(v.s.Keys)})
			v.report.Waiting++
			after = e.ID
			if v.s.Now().Sub(e.At) > SealLimit {
				if late.Count++; late.Count == 1 {
					late.Event = e.ID
				}
			}
		}
		if err := v.flush(); err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
	}
	if late.Count > 0 {
		v.fault(late)
	}
	return v.flush()
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
		gone := (f.Fault == FaultRemoved || f.Fault == FaultNoSeal) && f.Batch < head.First && headHolds(v.s.Keys, head)
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
