package sqlstore

import (
	"sync/atomic"

	lib "modernc.org/sqlite/lib"
)

// copyAfter is how many pages of log, 8 MB, are copied into the file at a time.
const copyAfter = 2000

// copyLog is a checkpoint beside those who read and write: it copies into the file what the log has by now. SQLite does
// that itself where the log has become long, but inside a commit, with everybody waiting for the copies and two syncs of
// the disk. What is left to it then is little. Where copying fails, all of it is.
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

// uncopied is how many pages of the log are not in the file yet, by the header of the wal-index and what follows it
// (https://www.sqlite.org/walformat.html#the_wal_index_header).
func (w *watch) uncopied() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.conn == nil {
		return 0
	}
	const logged, copied, word = 16, 96, 4 // where it says how many pages are in the log, and how many in the file
	words := (*[copied/word + 1]uint32)(pointer(w.shared))
	return int(atomic.LoadUint32(&words[logged/word])) - int(atomic.LoadUint32(&words[copied/word]))
}
