package passwd_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/sallyport-2fa/sallyport/internal/passwd"
)

// BenchmarkVerify measures the hasher with a full queue. BenchmarkBare measures the same hash alone, as its ceiling.
func BenchmarkVerify(b *testing.B) {
	h := passwd.NewHasher(runtime.GOMAXPROCS(0), 1000)
	stored := passwd.Decoy(passwd.Default)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, err := h.Verify(context.Background(), stored, "correct horse battery"); ok || err != nil {
				b.Error(ok, err)
			}
		}
	})
}

func BenchmarkBare(b *testing.B) {
	var wait sync.WaitGroup
	turns := make(chan struct{})
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for range turns {
				argon2.IDKey([]byte("correct horse battery"), []byte("sixteen byte sal"), 2, 19*1024, 1, 32)
			}
		})
	}
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	wait.Wait()
}
