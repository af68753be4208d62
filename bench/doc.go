// Bench measures the product against ceilings: what the same machine does, in the same minute, with a bare handler or
// a bare password hash. Ratios are what counts: absolute figures drift with the machine.
//
//	main.go      the order of things, and the report
//	phases.go    what is measured
//	seed.go      20,000 people, with passwords and authenticators
//	server.go    the product as a process: start, memory, stop
//	ceiling.go   the ceilings, each a process of its own
//	driver.go    a browser reduced to what costs nothing
//
// With the argument large it measures what a company of a million people sees of it:
//
//	large.go         the order of things, and the report
//	large_pages.go   lists of people, held against the plainest query of the database
//	large_work.go    CSV, overview, enforcement, sweep, audit verify
//	large_seed.go    a million people
//	large_log.go     five million events, with their seals
//	large_bulk.go    rows past the product, as fast as each database takes them
//
// People sign in with browsers that they have used before, as they mostly do: a new one costs a mail more.
//
// The product is the built command with every default on; nothing is switched off for the measurement. After it the
// events in the database are counted, and must agree with what the driver saw.
package main
