package main

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// After a rush, memory is returned to the system once. Collecting garbage repeatedly would cost CPU time for nothing.
func TestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		go giveBackMemory(ctx)
		held := func() (mib, collections int) {
			synctest.Wait()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int((m.HeapSys - m.HeapReleased) >> 20), int(m.NumForcedGC)
		}
		var rush [][]byte
		for range 100 {
			rush = append(rush, make([]byte, 1<<20))
		}
		time.Sleep(quietTime / 2)
		in, _ := held()
		runtime.KeepAlive(rush)
		rush = nil
		time.Sleep(3 * quietTime)
		after, forced := held()
		if after > in-90 {
			t.Errorf("%d MiB at the peak, %d MiB afterwards", in, after)
		}
		time.Sleep(10 * quietTime)
		if _, again := held(); again != forced {
			t.Errorf("%d garbage collections while idle", again-forced)
		}
		stop()
		synctest.Wait()
	})
}
