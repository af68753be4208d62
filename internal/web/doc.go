// Package web is the pages.
package web
