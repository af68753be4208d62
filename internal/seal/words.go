package seal

import "encoding/binary"

// Words is the input of a hash or MAC. Each part is preceded by its length, so that parts cannot run into each other.
type Words []byte

func (w *Words) Text(all ...string) {
	for _, s := range all {
		*w = append(binary.AppendUvarint(*w, uint64(len(s))), s...)
	}
}

func (w *Words) Bytes(all ...[]byte) {
	for _, b := range all {
		*w = append(binary.AppendUvarint(*w, uint64(len(b))), b...)
	}
}

// Number appends numbers of fixed length.
func (w *Words) Number(all ...int64) {
	for _, n := range all {
		*w = binary.BigEndian.AppendUint64(*w, uint64(n))
	}
}
