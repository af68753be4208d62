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

// ErrBusy means that the queue of hashes is full. The caller responds with 503 and Retry-After.
var ErrBusy = errors.New("passwd: too many passwords are being checked at the moment")

// Hasher hashes and verifies passwords, a bounded number at a time, in order of arrival. It is safe for concurrent use.
// A server must have only one, or the bound does not hold.
type Hasher struct {
	running *semaphore.Weighted // grants slots in order of arrival
	inside  atomic.Int64        // running and waiting
	most    int64               // limit of inside
	done    atomic.Int64
	idle    *time.Timer

	mu    sync.Mutex
	spare [][]block // memory of finished hashes, cleared
}

// rest is how long the memory of finished hashes is kept for the next ones, 19 MiB for each that ran at the same time.
const rest = 10 * time.Second

// NewHasher returns a Hasher that runs at most parallel hashes at once and lets at most queue more wait. Set parallel to
// the number of cores, and GOMAXPROCS to one or two more; otherwise other work waits until the scheduler interrupts a
// hash.
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

// Inside returns how many hashes are running or waiting.
func (h *Hasher) Inside() int { return int(h.inside.Load()) }

// Computed returns how many hashes have been computed since the start.
func (h *Hasher) Computed() int64 { return h.done.Load() }

// enter waits for a slot. It returns ErrBusy at once if the queue is full, and the context's error if the context ends
// first; the place in the queue is then free again. After nil the caller must call leave.
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

// Hash normalises the password and returns its PHC string with a new random salt. It returns ErrBusy, the context's
// error, *Weak for a password longer than MaxBytes, or an error for parameters out of bounds. A hash that has started
// is finished even if the context ends.
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

// Verify reports whether the password matches the stored hash, in constant time. It returns ErrMalformed (the stored
// hash is invalid: log it, and deny), ErrBusy or the context's error. It refuses passwords longer than MaxBytes without
// hashing.
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

// derive hashes a password with the salt and parameters of p. It fails only if the system has no memory left.
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

// take returns n cleared blocks, those of a finished hash if they are large enough. Reused memory stays in the
// processor's cache, which makes up to a fifth more hashes per core. The memory is not from Go's heap, because the
// garbage collector would count it as live and let several times as much garbage accumulate.
func (h *Hasher) take(n int) ([]block, error) {
	h.mu.Lock()
	i := slices.IndexFunc(h.spare, func(m []block) bool { return cap(m) >= n })
	if i >= 0 {
		memory := h.spare[i][:n]
		h.spare = slices.Delete(h.spare, i, i+1)
		h.mu.Unlock()
		return memory, nil
	}
	h.unmap() // all of it is too small
	h.mu.Unlock()
	b, err := syscall.Mmap(-1, 0, n*int(unsafe.Sizeof(block{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("passwd: no memory for a hash: %w", err)
	}
	return unsafe.Slice((*block)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unmap returns spare memory to the system. The caller holds mu.
func (h *Hasher) unmap() {
	for _, m := range h.spare {
		b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m))), cap(m)*int(unsafe.Sizeof(block{})))
		_ = syscall.Munmap(b) // fails only for a range that was not mapped
	}
	h.spare = nil
}
