// Package audit seals and verifies the audit log, on top of the rules, which write the events.
//
//	seal.go     closes batches of events with a chain of seals, and drops old ones
//	verify.go   looks for lines that were changed, removed, inserted or moved
//	unsealed.go looks at the lines that have no seal
package audit
