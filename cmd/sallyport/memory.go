package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// garbage is the GC percentage (GOGC). The live heap is only some 10 MB, so with Go's default of 100, garbage
// collection would cost a fifth of the throughput under load.
const garbage = 300

// A rush is over when fewer than quietBytes were allocated within quietTime.
const (
	quietTime  = 10 * time.Second
	quietBytes = 4 << 20
)

// giveBackMemory returns memory to the system after a rush, until ctx ends. Go itself keeps it for minutes, and part of
// it for good.
func giveBackMemory(ctx context.Context) {
	pause(ctx, 2*settling)
	debug.FreeOSMemory() // the start leaves many times more garbage than live memory
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
