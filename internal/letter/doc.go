// Package letter writes e-mails: all their wording is here. Write is a pure function of a Letter, and knows neither rules
// nor pages. The Service says what happened and in whose name; a door says where its pages are.
//
//	kinds.go     the wording of each kind, and the facts that it needs
//	page.go      the pages that links open
//	letter.go    text and HTML of a letter (letter.html)
//
// TestLettersRead compares every kind with a file in testdata.
package letter
