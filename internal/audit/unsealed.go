package audit

import (
	"slices"

	"github.com/sallyport-2fa/sallyport"
)

// idsAtOnce is how many ids are read at a time to look for events that no seal has.
const idsAtOnce = 4096

// unsealed checks the events that wait for a seal, each once.
func (v *verifier) unsealed() error {
	for after := ""; ; {
		some, err := v.tx.Unsealed(v.workspace.ID, after, sealBatch)
		if err != nil || len(some) == 0 {
			return err
		}
		after = some[len(some)-1].ID
		var ids []string
		for _, e := range some {
			if v.has(v.sealed, e.ID) {
				v.fault(Finding{Fault: FaultInserted, Event: e.ID})
			} else if v.add(v.waiting, e.ID) {
				ids = append(ids, e.ID)
			}
		}
		there := map[string]bool{}
		if err := v.loose(ids, func(e sallyport.Event) {
			there[e.ID] = true
			v.report.Waiting++
			if e.Batch != 0 || e.Position != 0 {
				v.fault(Finding{Fault: FaultChanged, Event: e.ID})
			}
			if v.s.Now().Sub(e.At) > SealLimit {
				also(&v.late, Finding{Fault: FaultUnsealed, Event: e.ID})
			}
		}); err != nil {
			return err
		}
		for _, id := range ids {
			if !there[id] {
				v.fault(Finding{Fault: FaultRemoved, Event: id})
			}
		}
	}
}

// strays looks for events that neither have a seal nor wait for one. It reads ids only if there are more events than those
// that were seen, or if some of these may have been dropped in the meantime.
func (v *verifier) strays() error {
	n, err := v.tx.CountEvents(v.workspace.ID)
	if err != nil {
		return err
	}
	head, _, err := v.tx.SealHead(v.workspace.ID)
	if err != nil || n == len(v.sealed)+v.report.Waiting && max(head.First, 1) == v.first {
		return err
	}
	for after := ""; ; {
		ids, err := v.tx.EventIDs(v.workspace.ID, after, idsAtOnce)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		known := func(id string) bool { return v.has(v.sealed, id) || v.has(v.waiting, id) }
		if ids = slices.DeleteFunc(ids, known); len(ids) == 0 {
			continue
		}
		// They may be new. An event stops waiting when its seal is there. So one that does not wait now, and is in none of
		// the seals that are read after that, has none.
		if err := v.unsealed(); err != nil {
			return err
		}
		if err := v.seals(); err != nil {
			return err
		}
		if err := v.loose(slices.DeleteFunc(ids, known), func(e sallyport.Event) {
			also(&v.lost, Finding{Fault: FaultNoSeal, Event: e.ID})
		}); err != nil {
			return err
		}
	}
}

// loose checks the content of events outside batches, whose ids are in order.
func (v *verifier) loose(ids []string, each func(sallyport.Event)) error {
	err := v.tx.Logged(v.workspace.ID, ids, func(e sallyport.Event) error {
		v.content(line{e, e.Genuine(v.s.Keys)})
		each(e)
		return nil
	})
	if err != nil {
		return err
	}
	return v.flush()
}

// also counts one more finding of the same kind. Only the first is named.
func also(all *Finding, f Finding) {
	if all.Count == 0 {
		*all = f
	}
	all.Count++
}
