package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// garbage is how much of it may lie about, in percent of what is alive. That is some 10 MB, so that with Go's 100 every
// fifth request of a rush would go into collecting.
const garbage = 300

// A rush is over when in so much time less than this was allocated.
const (
	quietTime  = 10 * time.Second
	quietBytes = 4 << 20
)

// giveBackMemory gives what a rush leaves behind back to the system when it is over. By itself Go keeps it for minutes,
// and part of it for good.
func giveBackMemory(ctx context.Context) {
	pause(ctx, 2*settling)
	debug.FreeOSMemory() // the start leaves garbage of many times what stays
	tick := time.NewTicker(quietTime)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	rush, before := false, uint64(0)
	for {
		metrics.Read(sample)
		all := sample[0].Value.Uint64()
		was := rush
		if rush = all-before >= quietBytes; was && !rush {
			debug.FreeOSMemory()
		}
		before = all
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
