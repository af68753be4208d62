// Package invariants checks, through the real HTTP server, what must never happen. It has tests only.
package invariants
