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

// version names a state of a database: what was read after it was looked at is still true while another look gives the
// same. It is empty where it is not known.
type version string

// watch tells whether anything has been committed to an SQLite database, by this process or another. It looks into
// the memory that all processes share which have the database open, at the header of the wal-index
// (https://www.sqlite.org/walformat.html#the_wal_index_header): 48 bytes that each commit replaces once it is on disk,
// with a counter, salts and a checksum. A look takes no call of the system and no connection: PRAGMA data_version
// compares the same bytes, and takes four microseconds.
type watch struct {
	mu     sync.RWMutex // held for writing when conn closes, which takes the memory away
	conn   *sqliteConn
	shared uintptr
}

func (w *watch) open(path string) (err error) {
	if w.conn, err = openSQLiteConn(path, lib.SQLITE_OPEN_READONLY, readerPragmas); err != nil {
		return err
	}
	// A first look maps the memory.
	err = w.conn.query("SELECT 0 FROM sqlite_schema", nil, func([]cell) error { return nil })
	if err == nil {
		w.shared, err = w.conn.sharedMemory()
	}
	if err != nil {
		w.close()
	}
	return err
}

// version is not known for the moment in which another process writes the header.
func (w *watch) version() (version, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.conn == nil {
		return "", ErrClosed
	}
	// It is there twice, and is written from the second to the first: alike, they are whole.
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

// sharedMemory is the wal-index as the connection has it in its memory, for as long as the connection is open.
func (c *sqliteConn) sharedMemory() (uintptr, error) {
	const region = 32 << 10 // the size in which the wal-index grows
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
		return 0, errors.New("sqlstore: SQLite shares no memory here")
	}
	// A C function pointer, called as the library itself calls it.
	shmMap := *(*func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{methods.FxShmMap}))
	rc := shmMap(c.tls, file, 0, region, 0, out)
	shared := *(*uintptr)(pointer(out))
	if rc != lib.SQLITE_OK || shared == 0 {
		return 0, fmt.Errorf("sqlstore: SQLite's shared memory cannot be seen (%d)", rc)
	}
	return shared, nil
}
