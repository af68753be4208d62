// Package letter knows the pages that e-mails link to. Where they are, it is told by the door that has them.
package letter
