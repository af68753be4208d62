package sqlstore

import (
	"sync/atomic"

	lib "modernc.org/sqlite/lib"
)

// copyAfter is how many pages of the log are copied into the file at a time: 8 MB.
const copyAfter = 2000

// copyLog starts a checkpoint that runs alongside readers and writers: it copies the log into the database file. SQLite
// does that itself once the log is long, but inside a commit, so that all writers wait for the copying and two disk
// syncs. With copyLog, little is left for it. If copyLog fails, SQLite copies everything.
func (d *sqlite) copyLog() {
	if d.watch.uncopied() < copyAfter {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.copying {
		return
	}
	d.copying = true
	d.flushes.Go(func() {
		defer func() {
			d.mu.Lock()
			d.copying = false
			d.mu.Unlock()
		}()
		var err error
		if d.copier == nil {
			d.copier, err = openSQLiteConn(d.path, lib.SQLITE_OPEN_READWRITE, copierPragmas)
		}
		if err == nil {
			lib.Xsqlite3_wal_checkpoint_v2(d.copier.tls, d.copier.db, 0, lib.SQLITE_CHECKPOINT_PASSIVE, 0, 0)
		}
	})
}

// uncopied returns how many pages of the log are not yet in the database file, from the header of the wal-index and the
// fields after it (https://www.sqlite.org/walformat.html#the_wal_index_header).
func (w *watch) uncopied() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.conn == nil {
		return 0
	}
	const logged, copied, word = 16, 96, 4 // offsets of the number of pages in the log, and of those copied
	words := (*[copied/word + 1]uint32)(pointer(w.shared))
	return int(atomic.LoadUint32(&words[logged/word])) - int(atomic.LoadUint32(&words[copied/word]))
}
