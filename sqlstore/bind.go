package sqlstore

import (
	"fmt"
	"reflect"
)

// cell is the value of one parameter or column.
type cell struct {
	kind  kind
	int   int64
	bytes []byte // of a text or blob; in a row it is the database's memory, which must be copied
}

type kind uint8

const (
	null kind = iota
	integer
	text
	blob
)

// toCell converts string, []byte, bool, integers, types derived from them, and pointers to them. nil, a nil pointer and
// a nil []byte become NULL.
func toCell(v any) (cell, error) {
	switch v := v.(type) {
	case nil:
		return cell{}, nil
	case string:
		return cell{kind: text, bytes: []byte(v)}, nil
	case int64:
		return cell{kind: integer, int: v}, nil
	case []byte:
		if v == nil {
			return cell{}, nil
		}
		return cell{kind: blob, bytes: v}, nil
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return cell{}, nil
		}
		return toCell(r.Elem().Interface())
	case reflect.String:
		return cell{kind: text, bytes: []byte(r.String())}, nil
	case reflect.Bool:
		if r.Bool() {
			return cell{kind: integer, int: 1}, nil
		}
		return cell{kind: integer}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return cell{kind: integer, int: r.Int()}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return cell{kind: integer, int: int64(r.Uint())}, nil
	}
	if r.Type().ConvertibleTo(reflect.TypeFor[[]byte]()) {
		return toCell(r.Bytes())
	}
	return cell{}, fmt.Errorf("sqlstore: a %T cannot be a parameter", v)
}

// scan copies a row into dest: pointers to string, []byte, int64, int or bool, or types derived from them. NULL becomes
// nil in a []byte and in a pointer to one of the others (dest is then **string, ...). Elsewhere it is an error, as is
// text where a number is expected.
func scan(row []cell, dest []any) error {
	if len(row) != len(dest) {
		return fmt.Errorf("sqlstore: %d columns for %d destinations", len(row), len(dest))
	}
	for i, c := range row {
		if !assign(c, dest[i]) {
			return fmt.Errorf("sqlstore: column %d (%s) does not fit into a %T", i+1, c.kind, dest[i])
		}
	}
	return nil
}

func assign(c cell, dest any) bool {
	switch d := dest.(type) {
	case *string:
		if *d != string(c.bytes) { // in a long list, the value is often the same as in the previous row
			*d = string(c.bytes)
		}
		return c.kind == text
	case *int64:
		*d = c.int
		return c.kind == integer
	case *[]byte:
		*d = nil
		if c.kind == blob {
			*d = append([]byte{}, c.bytes...)
		}
		return c.kind == blob || c.kind == null
	}
	p := reflect.ValueOf(dest)
	if p.Kind() != reflect.Pointer {
		return false
	}
	v := p.Elem()
	switch {
	case v.Kind() == reflect.Pointer && c.kind == null:
		v.SetZero()
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return assign(c, v.Interface())
	case v.Kind() == reflect.String && c.kind == text:
		v.SetString(string(c.bytes))
	case v.Kind() == reflect.Bool && c.kind == integer:
		v.SetBool(c.int != 0)
	case v.CanInt() && c.kind == integer && !v.OverflowInt(c.int):
		v.SetInt(c.int)
	case v.CanUint() && c.kind == integer && c.int >= 0 && !v.OverflowUint(uint64(c.int)):
		v.SetUint(uint64(c.int))
	case v.Type().ConvertibleTo(reflect.TypeFor[[]byte]()) && c.kind == blob:
		v.SetBytes(append([]byte{}, c.bytes...))
	default:
		return false
	}
	return true
}

func (k kind) String() string { return [...]string{"NULL", "an integer", "text", "a blob"}[k] }
