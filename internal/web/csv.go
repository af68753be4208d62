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

// csvPage is how many rows are read at a time.
const csvPage = 1000

// csvWait is how long a browser may take to receive one page.
const csvWait = time.Minute

// byteOrderMark begins every table. Without it, Excel reads UTF-8 as the local code page.
const byteOrderMark = "\ufeff"

// download responds with a table as CSV (RFC 4180, UTF-8): the names of its columns, then the rows that next returns,
// page by page, until it returns none. It keeps one page in memory at a time. An error before the first page is
// answered as usual. After that, the connection is broken, so that half a table cannot be mistaken for a whole one.
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
	_ = out.Write(columns) // the writer keeps an error until it is asked
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

// harmless keeps spreadsheets from treating a cell as a formula: it puts an apostrophe, which marks text, before the
// characters that begin one. Some spreadsheets also accept full-width forms of these. It removes characters that
// reverse the text around them, because they hide what a cell begins with.
func harmless(cell string) string {
	cell = text.WithoutBidi(cell)
	if strings.IndexAny(cell, "=+-@\t\r\n＝＋－＠") == 0 {
		return "'" + cell
	}
	return cell
}
