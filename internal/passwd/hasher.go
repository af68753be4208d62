package passwd

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
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
	idle    *time.Timer
}

// rest is after how long without a hash their memory goes back to the system. Each hash takes 19 MiB afresh, so that a
// rush leaves 100 MB behind, which would stay for two minutes and more.
const rest = 10 * time.Second

// NewHasher returns a Hasher that runs at most parallel hashes at once, while at most queue more wait.
// Parallel is meant to be the number of cores; the runtime should have a processor or two more than that (GOMAXPROCS), or
// else whatever is not a hash waits for the scheduler to interrupt one.
func NewHasher(parallel, queue int) *Hasher {
	h := &Hasher{running: semaphore.NewWeighted(int64(parallel)), most: int64(parallel + queue)}
	h.idle = time.AfterFunc(rest, func() {
		if h.inside.Load() == 0 {
			debug.FreeOSMemory()
		}
	})
	return h
}

// Inside is how many hashes run or wait at this moment.
func (h *Hasher) Inside() int { return int(h.inside.Load()) }

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
	made.hash = made.of(password, hashBytes)
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
	return subtle.ConstantTimeCompare(want.of(password, len(want.hash)), want.hash) == 1, nil
}

// of hashes a password with the salt and parameters of h.
func (h phc) of(password string, length int) []byte {
	return argon2.IDKey([]byte(Normalise(password)), h.salt, h.Time, h.Memory, h.Threads, uint32(length))
}
