package passwd

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sync/semaphore"
)

// ErrBusy means that as many hashes are waiting as may. The caller answers 503 with Retry-After.
var ErrBusy = errors.New("passwd: too many passwords are being checked at this moment")

// Hasher hashes and verifies passwords, a bounded number at a time, first come first served. It is safe for concurrent
// use. A server has one: the bound is worth nothing otherwise.
type Hasher struct {
	running *semaphore.Weighted // serves in order of arrival
	inside  atomic.Int64        // running and waiting
	most    int64               // of inside
	done    atomic.Int64
	idle    *time.Timer

	mu    sync.Mutex
	spare [][]block // memory of hashes that were, zero again
}

// rest is after how long without a hash their memory goes back to the system, 19 MiB for each that ran at once.
const rest = 10 * time.Second

// NewHasher returns a Hasher that runs at most parallel hashes at once, while at most queue more wait.
// Parallel is meant to be the number of cores; the runtime should have a processor or two more than that (GOMAXPROCS), or
// else whatever is not a hash waits for the scheduler to interrupt one.
func NewHasher(parallel, queue int) *Hasher {
	h := &Hasher{running: semaphore.NewWeighted(int64(parallel)), most: int64(parallel + queue)}
	h.idle = time.AfterFunc(rest, func() {
		if h.inside.Load() == 0 {
			h.mu.Lock()
			h.unmap()
			h.mu.Unlock()
		}
	})
	return h
}

// Inside is how many hashes run or wait at this moment.
func (h *Hasher) Inside() int { return int(h.inside.Load()) }

// Computed is how many hashes were computed until now.
func (h *Hasher) Computed() int64 { return h.done.Load() }

// enter waits for a turn. It returns ErrBusy at once when the queue is full, and the context's error when that ends
// first; then the place in the queue is free again. After nil the caller must leave.
func (h *Hasher) enter(ctx context.Context) error {
	if h.inside.Add(1) > h.most {
		h.inside.Add(-1)
		return ErrBusy
	}
	if err := h.running.Acquire(ctx, 1); err != nil {
		h.inside.Add(-1)
		return err
	}
	return nil
}

func (h *Hasher) leave() {
	h.running.Release(1)
	h.inside.Add(-1)
	h.idle.Reset(rest)
}

// Hash returns the PHC string under which the password is stored, with a fresh salt. The password is normalised first.
// The errors are ErrBusy, the context's, and one for a password over MaxBytes or parameters out of bounds: a hash that
// has begun is finished whatever becomes of the context.
func (h *Hasher) Hash(ctx context.Context, password string, p Params) (string, error) {
	if !p.valid() {
		return "", fmt.Errorf("passwd: parameters out of bounds: m=%d, t=%d, p=%d", p.Memory, p.Time, p.Threads)
	}
	if len(password) > MaxBytes {
		return "", &Weak{TooLong}
	}
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	made := phc{Params: p, salt: make([]byte, saltBytes)}
	rand.Read(made.salt)
	var err error
	if made.hash, err = h.derive(made, password, hashBytes); err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify reports whether the password is the one that was stored, in constant time. The errors are ErrMalformed (the
// stored string is at fault: log it, deny), ErrBusy and the context's. A password over MaxBytes is no one's, and is
// refused without hashing whatever it is held against.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	if len(password) > MaxBytes {
		return false, nil
	}
	want, err := parse(stored)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	got, err := h.derive(want, password, len(want.hash))
	return err == nil && subtle.ConstantTimeCompare(got, want.hash) == 1, err
}

// derive hashes a password with the salt and parameters of p. The error is the system's, when it has no memory.
func (h *Hasher) derive(p phc, password string, length int) ([]byte, error) {
	memory, err := h.take(blocksOf(p.Params))
	if err != nil {
		return nil, err
	}
	key := argon2id(memory, []byte(Normalise(password)), p.salt, p.Params, length)
	clear(memory)
	h.mu.Lock()
	h.spare = append(h.spare, memory)
	h.mu.Unlock()
	h.done.Add(1)
	return key, nil
}

// take returns n blocks, all zero: those that a hash before had, if they are enough. The same 19 MiB again and again are
// in the processor's cache, so that a core gets up to a fifth more hashes out of them than out of new ones. They are not
// Go's: the garbage collector would count them as alive, and let several times as much garbage lie about.
func (h *Hasher) take(n int) ([]block, error) {
	h.mu.Lock()
	i := slices.IndexFunc(h.spare, func(m []block) bool { return cap(m) >= n })
	if i >= 0 {
		memory := h.spare[i][:n]
		h.spare = slices.Delete(h.spare, i, i+1)
		h.mu.Unlock()
		return memory, nil
	}
	h.unmap() // what is too small for a hash of today
	h.mu.Unlock()
	b, err := syscall.Mmap(-1, 0, n*int(unsafe.Sizeof(block{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("passwd: no memory for a hash: %w", err)
	}
	return unsafe.Slice((*block)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unmap returns the memory that no hash is using to the system. It is called with mu locked.
func (h *Hasher) unmap() {
	for _, m := range h.spare {
		b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m))), cap(m)*int(unsafe.Sizeof(block{})))
		_ = syscall.Munmap(b) // it fails for what was never mapped alone
	}
	h.spare = nil
}
