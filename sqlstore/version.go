package sqlstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// version identifies a state of a database. Data read after the version is still true if reading the version again
// gives the same. An empty version is unknown.
type version string

// watch detects whether anything has been committed to an SQLite database, by this process or another. It reads the
// header of the wal-index (https://www.sqlite.org/walformat.html#the_wal_index_header) in the memory that all processes
// with the database open share: 48 bytes with a counter, salts and a checksum, which each commit replaces. Reading them
// takes no system call and no connection. PRAGMA data_version compares the same bytes, but takes four microseconds.
type watch struct {
	mu     sync.RWMutex // held for writing when conn closes, which unmaps the memory
	conn   *sqliteConn
	shared uintptr
}

func (w *watch) open(path string) (err error) {
	if w.conn, err = openSQLiteConn(path, lib.SQLITE_OPEN_READONLY, readerPragmas); err != nil {
		return err
	}
	// The first query maps the memory.
	err = w.conn.query("SELECT 0 FROM sqlite_schema", nil, func([]cell) error { return nil })
	if err == nil {
		w.shared, err = w.conn.sharedMemory()
	}
	if err != nil {
		w.close()
	}
	return err
}

// version returns "" (unknown) while another process is writing the header.
func (w *watch) version() (version, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.conn == nil {
		return "", ErrClosed
	}
	// The header exists twice, and writers write the second copy before the first. If both are equal, they are
	// complete.
	const header, word, copies = 48, 8, 2
	words := (*[copies * header / word]uint64)(pointer(w.shared))
	var v [header]byte
	for i := range header / word {
		binary.NativeEndian.PutUint64(v[i*word:], atomic.LoadUint64(&words[i]))
	}
	for i := range header / word {
		if binary.NativeEndian.Uint64(v[i*word:]) != atomic.LoadUint64(&words[header/word+i]) {
			return "", nil
		}
	}
	return version(v[:]), nil
}

func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.close()
	w.conn = nil
}

// sharedMemory returns the address of the wal-index in the memory of this process. It is valid while the connection is
// open.
func (c *sqliteConn) sharedMemory() (uintptr, error) {
	const region = 32 << 10 // the wal-index grows by regions of this size
	out := c.tls.Alloc(8)
	defer c.tls.Free(8)
	name, err := libc.CString("main")
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(c.tls, name)
	if rc := lib.Xsqlite3_file_control(c.tls, c.db, name, lib.SQLITE_FCNTL_FILE_POINTER, out); rc != lib.SQLITE_OK {
		return 0, c.error(rc)
	}
	file := *(*uintptr)(pointer(out))
	methods := (*lib.Tsqlite3_io_methods)(pointer((*lib.Tsqlite3_file)(pointer(file)).FpMethods))
	if methods.FiVersion < 2 || methods.FxShmMap == 0 {
		return 0, errors.New("sqlstore: SQLite has no shared memory here")
	}
	// A C function pointer, called as the library itself calls it.
	shmMap := *(*func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{methods.FxShmMap}))
	rc := shmMap(c.tls, file, 0, region, 0, out)
	shared := *(*uintptr)(pointer(out))
	if rc != lib.SQLITE_OK || shared == 0 {
		return 0, fmt.Errorf("sqlstore: SQLite's shared memory cannot be mapped (%d)", rc)
	}
	return shared, nil
}
