package passwd_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
)

// cheap makes a real hash take microseconds.
var cheap = passwd.Params{Memory: 64, Time: 1, Threads: 1}

func TestHashAndVerify(t *testing.T) {
	h := passwd.NewHasher(2, 10)
	stored, err := h.Hash(t.Context(), "correct horse battery", cheap)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Hash(t.Context(), "correct horse battery", cheap)
	if err != nil || again == stored {
		t.Errorf("two hashes of one password are equal: %q, %v", again, err)
	}
	for password, want := range map[string]bool{
		"correct horse battery": true, "correct horse batterz": false, "Correct horse battery": false, "": false,
		"correct horse battery ": false, "correct horse battery\x00": false, strings.Repeat("a", passwd.MaxBytes+1): false,
	} {
		if ok, err := h.Verify(t.Context(), stored, password); ok != want || err != nil {
			t.Errorf("Verify %.30q = %v, %v; want %v", password, ok, err, want)
		}
	}
}

// A password of 1 KiB is hashed whole: its last byte counts.
func TestLongPassword(t *testing.T) {
	h := passwd.NewHasher(1, 0)
	long := strings.Repeat("x", 1023)
	stored, err := h.Hash(t.Context(), long+"a", cheap)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Verify(t.Context(), stored, long+"b"); ok || err != nil {
		t.Errorf("the last byte was ignored: %v, %v", ok, err)
	}
	var weak *passwd.Weak
	if _, err := h.Hash(t.Context(), strings.Repeat("x", 10<<20), cheap); !errors.As(err, &weak) || weak.Reason != passwd.TooLong {
		t.Errorf("10 MiB: %v, want TooLong", err)
	}
}

// The same password typed on a Mac and on Windows, with the spaces of either.
func TestI36_UnicodeForms(t *testing.T) {
	h := passwd.NewHasher(1, 0)
	stored, err := h.Hash(t.Context(), "caf\u00e9 au lait \U0001F469\u200D\U0001F4BB", cheap)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.Verify(t.Context(), stored, "cafe\u0301\u00a0au\u2003lait \U0001F469\u200D\U0001F4BB"); !ok || err != nil {
		t.Errorf("decomposed form: %v, %v", ok, err)
	}
	if ok, _ := h.Verify(t.Context(), stored, "cafe au lait \U0001F469\u200D\U0001F4BB"); ok {
		t.Error("the accent was lost")
	}
}

// The vectors are those of the reference implementation (P-H-C/phc-winner-argon2, src/test.c).
func TestReferenceVectors(t *testing.T) {
	h := passwd.NewHasher(1, 0)
	for _, stored := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
		"$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg",
	} {
		if ok, err := h.Verify(t.Context(), stored, "password"); !ok || err != nil {
			t.Errorf("%s: %v, %v", stored, ok, err)
		}
		if ok, err := h.Verify(t.Context(), stored, "Password"); ok || err != nil {
			t.Errorf("%s: a wrong password: %v, %v", stored, ok, err)
		}
	}
}

// argon2id is assembled from parts of the library, so it must return what argon2.IDKey returns, even in memory that
// hashes of other sizes used before.
func TestLikeTheLibrary(t *testing.T) {
	h := passwd.NewHasher(1, 0)
	for i := range 300 {
		p := passwd.Params{Time: 1 + rand.Uint32N(3), Threads: uint8(1 + rand.Uint32N(5))}
		p.Memory = 8*uint32(p.Threads) + rand.Uint32N(300)
		password := strings.Repeat("x", i)
		stored, err := h.Hash(t.Context(), password, p)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(stored, "$")
		salt, err := base64.RawStdEncoding.DecodeString(parts[4])
		if err != nil {
			t.Fatal(err)
		}
		want := base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Threads, 32))
		if parts[5] != want {
			t.Fatalf("%s: argon2.IDKey computes %s", stored, want)
		}
	}
}

// Hashes that run at the same time must not share memory.
func TestAtTheSameTime(t *testing.T) {
	h := passwd.NewHasher(4, 1000)
	stored := make([]string, 8)
	for i := range stored {
		var err error
		if stored[i], err = h.Hash(t.Context(), fmt.Sprint("password ", i), passwd.Params{Memory: uint32(64 << (i % 3)), Time: 2, Threads: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var wait sync.WaitGroup
	for i := range stored {
		for k := range stored {
			wait.Go(func() {
				if ok, err := h.Verify(t.Context(), stored[i], fmt.Sprint("password ", k)); ok != (i == k) || err != nil {
					t.Errorf("password %d for hash %d: %v, %v", k, i, ok, err)
				}
			})
		}
	}
	wait.Wait()
}

func TestMalformed(t *testing.T) {
	const salt, hash = "c29tZXNhbHRzb21lc2FsdA", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U4bMCHGi/4"
	const good = "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + hash
	h := passwd.NewHasher(1, 0)
	if ok, err := h.Verify(t.Context(), good, "password"); ok || err != nil {
		t.Fatalf("the pattern of this table must parse: %v, %v", ok, err)
	}
	for name, stored := range map[string]string{
		"empty":                  "",
		"a password":             "password",
		"dollars":                "$$$$$$",
		"argon2i":                strings.Replace(good, "argon2id", "argon2i", 1),
		"upper case":             strings.Replace(good, "argon2id", "Argon2id", 1),
		"old version":            strings.Replace(good, "v=19", "v=16", 1),
		"no version":             strings.Replace(good, "$v=19", "", 1),
		"100 GB":                 strings.Replace(good, "m=64", "m=104857600", 1),
		"memory over 32 bits":    strings.Replace(good, "m=64", "m=4294967360", 1),
		"memory over bound":      strings.Replace(good, "m=64", "m=262145", 1),
		"too little memory":      strings.Replace(good, "m=64", "m=7", 1),
		"too little for lanes":   strings.Replace(good, "m=64,t=1,p=1", "m=64,t=1,p=9", 1),
		"no memory":              strings.Replace(good, "m=64", "m=0", 1),
		"a thousand million":     strings.Replace(good, "t=1", "t=1000000000", 1),
		"passes over bound":      strings.Replace(good, "t=1", "t=17", 1),
		"no passes":              strings.Replace(good, "t=1", "t=0", 1),
		"no lanes":               strings.Replace(good, "p=1", "p=0", 1),
		"lanes over 8 bits":      strings.Replace(good, "p=1", "p=257", 1),
		"negative":               strings.Replace(good, "t=1", "t=-1", 1),
		"plus sign":              strings.Replace(good, "t=1", "t=+1", 1),
		"leading zero":           strings.Replace(good, "t=1", "t=01", 1),
		"hexadecimal":            strings.Replace(good, "m=64", "m=0x40", 1),
		"other order":            strings.Replace(good, "m=64,t=1", "t=1,m=64", 1),
		"doubled":                strings.Replace(good, "m=64", "m=64,m=64", 1),
		"unknown parameter":      strings.Replace(good, "p=1", "p=1,keyid=Zm9v", 1),
		"no salt":                strings.Replace(good, salt, "", 1),
		"short salt":             strings.Replace(good, salt, "c29tZXNhbA", 1),
		"long salt":              strings.Replace(good, salt, strings.Repeat("YWFh", 22), 1),
		"no hash":                strings.TrimSuffix(good, hash),
		"short hash":             strings.Replace(good, hash, "nf65EOgLrQM", 1),
		"long hash":              strings.Replace(good, hash, strings.Repeat("YWFh", 22), 1),
		"padded":                 good + "=",
		"spare bits":             strings.TrimSuffix(good, "4") + "5",
		"base64 of URLs":         strings.Replace(good, "/", "_", 1),
		"line end":               good + "\n",
		"line end in the salt":   strings.Replace(good, "c29t", "c29\nt", 1),
		"leading space":          " " + good,
		"something after":        good + "$",
		"something before":       "x" + good,
		"hidden NUL":             strings.Replace(good, "v=19", "v=19\x00", 1),
		"parameters cut away":    strings.Replace(good, "m=64,t=1,p=1", "m=64", 1),
		"a megabyte of nonsense": strings.Repeat("$", 1<<20),
	} {
		if ok, err := h.Verify(t.Context(), stored, "password"); ok || !errors.Is(err, passwd.ErrMalformed) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if !passwd.NeedsRehash(stored, cheap) {
			t.Errorf("%s: NeedsRehash is false for a malformed hash", name)
		}
	}
}

func TestHashRejectsParameters(t *testing.T) {
	for _, p := range []passwd.Params{{}, {64, 0, 1}, {64, 1, 0}, {7, 1, 1}, {64, 1, 17}, {64, 17, 1}, {1 << 20, 1, 1}, {math.MaxUint32, 1, 1}} {
		if stored, err := passwd.NewHasher(1, 0).Hash(t.Context(), "password", p); err == nil {
			t.Errorf("%v: returned %s", p, stored)
		}
	}
}

func TestNeedsRehash(t *testing.T) {
	const tail = "$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U4bMCHGi/4"
	for stored, want := range map[string]bool{
		"$argon2id$v=19$m=19456,t=2,p=1" + tail:                                                  false,
		"$argon2id$v=19$m=19455,t=2,p=1" + tail:                                                  true,
		"$argon2id$v=19$m=19456,t=1,p=1" + tail:                                                  true,
		"$argon2id$v=19$m=65536,t=3,p=4" + tail:                                                  false,
		"$argon2id$v=19$m=65536,t=1,p=1" + tail:                                                  true,
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U4bMCHGi/4": true,
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQ":   true,
	} {
		if got := passwd.NeedsRehash(stored, passwd.Default); got != want {
			t.Errorf("%s: %v, want %v", stored, got, want)
		}
	}
}

// A decoy must cost what a real hash costs, so it has the same parameters. Its value is random.
func TestI39_Decoy(t *testing.T) {
	h := passwd.NewHasher(1, 0)
	one, two := passwd.Decoy(cheap), passwd.Decoy(cheap)
	real, err := h.Hash(t.Context(), "password", cheap)
	if err != nil {
		t.Fatal(err)
	}
	cut := strings.LastIndex(real, "p=1$")
	if one == two || len(one) != len(real) || one[:cut] != real[:cut] || passwd.NeedsRehash(one, cheap) {
		t.Errorf("%s and %s beside %s", one, two, real)
	}
	for _, password := range []string{"", "password"} {
		if ok, err := h.Verify(t.Context(), one, password); ok || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := passwd.NewHasher(1, 100)
		if err := h.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		var served []int
		for i := range 100 {
			go func() {
				if err := h.Enter(t.Context()); err != nil {
					t.Error(err)
				}
				served = append(served, i) // guarded by the slot
				h.Leave()
			}()
			synctest.Wait() // now it is in the queue
		}
		h.Leave()
		synctest.Wait()
		if len(served) != 100 || !slices.IsSorted(served) {
			t.Errorf("served in the order %v", served)
		}
	})
}

func TestI44_BusyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := passwd.NewHasher(2, 3)
		for range 2 {
			if err := h.Enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			go func() {
				if _, err := h.Hash(t.Context(), "password", cheap); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if _, err := h.Hash(t.Context(), "password", cheap); !errors.Is(err, passwd.ErrBusy) {
			t.Errorf("Hash with a full queue: %v", err)
		}
		if ok, err := h.Verify(t.Context(), passwd.Decoy(cheap), "password"); ok || !errors.Is(err, passwd.ErrBusy) {
			t.Errorf("Verify with a full queue: %v, %v", ok, err)
		}
		h.Leave()
		h.Leave()
		synctest.Wait()
		if _, err := h.Verify(t.Context(), passwd.Decoy(cheap), "password"); err != nil {
			t.Errorf("with an empty queue again: %v", err)
		}
	})
}

func TestWaiterWhoseContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := passwd.NewHasher(1, 1)
		if err := h.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Verify(ctx, passwd.Decoy(cheap), "password"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a waiter whose context ended: %v", err)
		}
		served := false
		go func() { // takes the place that the waiter left
			_, err := h.Hash(t.Context(), "password", cheap)
			served = err == nil
		}()
		synctest.Wait()
		h.Leave()
		synctest.Wait()
		if !served {
			t.Error("the place of a cancelled waiter was not freed")
		}
		if _, err := h.Hash(ctx, "password", cheap); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

// The memory of a burst returns to the system soon afterwards.
func TestI44_MemoryIsReturned(t *testing.T) {
	resident := func() int {
		b, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		var size, pages int
		if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
			t.Fatal(err)
		}
		return pages * os.Getpagesize() >> 20
	}
	synctest.Test(t, func(t *testing.T) {
		h := passwd.NewHasher(1, 0)
		for _, mib := range []uint32{64, 128} { // the smaller block is unmapped at once
			if _, err := h.Hash(t.Context(), "password", passwd.Params{Memory: mib << 10, Time: 1, Threads: 1}); err != nil {
				t.Fatal(err)
			}
		}
		after := resident()
		if kept := h.Kept(); kept != 128<<20 {
			t.Errorf("%d bytes are kept for the next hash", kept)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if rested := resident(); h.Kept() != 0 || rested > after-100 {
			t.Errorf("%d MiB after the hash, %d MiB after a minute, %d bytes kept", after, rested, h.Kept())
		}
		if _, err := h.Hash(t.Context(), "password", cheap); err != nil { // hashing still works
			t.Error(err)
		}
	})
}

// At most parallel hashes run at once, however many callers there are, and every caller gets a result or ErrBusy.
func TestI44_ParallelIsRespected(t *testing.T) {
	const parallel, queue, comers = 3, 20, 200
	h := passwd.NewHasher(parallel, queue)
	var inside, served, busy atomic.Int64
	var wait sync.WaitGroup
	for range comers {
		wait.Go(func() {
			switch err := h.Enter(t.Context()); {
			case errors.Is(err, passwd.ErrBusy):
				busy.Add(1)
			case err != nil:
				t.Error(err)
			default:
				now := inside.Add(1)
				if now > parallel {
					t.Error("more than parallel hashes at once")
				}
				runtime.Gosched()
				inside.Add(-1)
				served.Add(1)
				h.Leave()
			}
		})
	}
	wait.Wait()
	if served.Load() < parallel+queue || served.Load()+busy.Load() != comers {
		t.Errorf("served %d, busy %d of %d", served.Load(), busy.Load(), comers)
	}
}
