package web

import (
	"cmp"
	"encoding/csv"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// csvPage is how many rows of a table are read at a time.
const csvPage = 1000

// csvWait is how long a browser may take to receive one page.
const csvWait = time.Minute

// byteOrderMark begins every table: without it, Excel reads UTF-8 as the code page of its country.
const byteOrderMark = "\ufeff"

// download answers with a table as CSV (RFC 4180, UTF-8): the names of its columns, then what next gives, page after
// page, until it gives none. It holds one page at a time. What goes wrong before the first page is answered like on any
// other page; later the connection breaks, so that half a table is not taken for a whole one.
func (p *pages) download(w http.ResponseWriter, r *http.Request, file string, columns []string, next func() ([][]string, error)) error {
	rows, err := next()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+file+`"`)
	_, _ = io.WriteString(w, byteOrderMark)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(columns) // an error stays with the writer until it is asked
	deadline := http.NewResponseController(w)
	for len(rows) > 0 {
		if err := deadline.SetWriteDeadline(time.Now().Add(csvWait)); err != nil {
			return err
		}
		for _, row := range rows {
			for i, cell := range row {
				row[i] = harmless(cell)
			}
			_ = out.Write(row)
		}
		out.Flush()
		if out.Error() == nil {
			rows, err = next()
		}
		if err := cmp.Or(out.Error(), err); err != nil {
			p.log.Warn("half a table was sent", "request", edge.From(r.Context()).ID, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
	out.Flush()
	return nil
}

// harmless keeps a spreadsheet from taking a cell for a formula: in front of what one would begin with stands an
// apostrophe, which says that text follows. Full-width forms count in some of them. Characters that reverse the text
// around them, and hide what a cell begins with, are left out.
func harmless(cell string) string {
	cell = text.WithoutBidi(cell)
	if strings.IndexAny(cell, "=+-@\t\r\n＝＋－＠") == 0 {
		return "'" + cell
	}
	return cell
}
