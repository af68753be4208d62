package sqlstore

import (
	"fmt"
	"strconv"
	"strings"
)

// estimates tells SQLite how selective every index is, as ANALYZE would for a workspace of a million. Without that,
// SQLite considers reading a table in the order of its key cheaper than any index, and searches the events of everyone
// for those of one person. These statistics never change, so plans do not depend on the data:
// docs/decisions/0011-plans.md.
func (c *sqliteConn) estimates() error {
	// This creates sqlite_stat1 if it is missing, and reads no table.
	if err := c.script("ANALYZE sqlite_schema; DELETE FROM sqlite_stat1"); err != nil {
		return err
	}
	var rows [][3]string
	err := c.query(`SELECT t.name, l.name, l.origin, l."unique", l.partial, (SELECT group_concat(i.name, ' ' ORDER BY i.seqno) FROM pragma_index_info(l.name) i)
		FROM sqlite_schema t, pragma_index_list(t.name) l WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'`, nil, func(row []cell) error {
		table, index := string(row[0].bytes), string(row[1].bytes)
		stat := estimate(strings.Fields(string(row[5].bytes)), row[3].int == 1, row[4].int == 1)
		if string(row[2].bytes) == "pk" {
			index = table         // sqlite_stat1 calls the key of a table without rowid by the table's name
			stat += " noskipscan" // it would look in the rows of each user for those of one group
		}
		rows = append(rows, [3]string{table, index, stat})
		return nil
	})
	for _, r := range rows {
		if err == nil {
			err = c.query("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ($1, $2, $3)", []any{r[0], r[1], r[2]}, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("estimates for SQLite: %w", err)
	}
	return c.script("ANALYZE sqlite_schema")
}

// estimate returns how many rows an index has, and how many have the same first column, the same first two, and so on.
func estimate(columns []string, unique, partial bool) string {
	same := 1_000_000
	if partial {
		same /= 20
	}
	stat := []string{strconv.Itoa(same)}
	for i, column := range columns {
		if column != "workspace_id" {
			same = max(same/20, 1)
		}
		if column == "id" || unique && i == len(columns)-1 {
			same = 1
		}
		stat = append(stat, strconv.Itoa(same))
	}
	return strings.Join(stat, " ")
}
