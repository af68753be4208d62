// Package sallyporttest helps tests: a clock they turn, and a browser that
// does what a person does and says what a person sees.
package sallyporttest
