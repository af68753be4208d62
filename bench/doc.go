// Command bench compares the product with ceilings: what the same machine does in the same minute with an empty handler
// or a bare password hash. The ratios count, because absolute figures change with the machine.
//
//	main.go      the sequence, and the report
//	phases.go    what is measured of signing in; factors.go: passkeys and approvals; doors.go: what apps ask
//	seed.go      20,000 people, with passwords and authenticators
//	server.go    runs the product as a process
//	ceiling.go   the ceilings, each in a separate process
//	driver.go    a minimal, cheap HTTP client
//
// With the argument large, it measures a company of a million people:
//
//	large.go         the sequence, and the report
//	large_pages.go   lists of people, checked against simple queries
//	large_work.go    CSV, overview, enforcement, sweep, audit verify
//	large_seed.go    a million people
//	large_log.go     five million events, with their seals
//	large_bulk.go    bulk inserts without the product
//
// People sign in with known devices, as they usually do. A new device would also send an e-mail.
//
// The product is the built command with its defaults; nothing is switched off. At the end, the number of events in the
// database must agree with what the driver saw.
package main
