package fs

import (
	"syscall"
	"testing"
)

// TestErrnosAreEnough for every answer that the table knows.
func TestErrnosAreEnough(t *testing.T) {
	for _, row := range errno {
		if row.code >= errnos {
			t.Errorf("%v is counted as another errno", row.code)
		}
	}
}

// BenchmarkAnswer compares an answer with one that is counted, on one processor and on all, all
// counting the same.
func BenchmarkAnswer(b *testing.B) {
	s := server{FS: &FS{}}
	for name, answer := range map[string]func(error){
		"plain":   func(err error) { status(err) },
		"counted": func(err error) { s.answer(opLookup, err) },
	} {
		for kind, err := range map[string]error{"done": nil, "errno": syscall.ENOENT} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				for b.Loop() {
					answer(err)
				}
			})
			b.Run(name+"/"+kind+"/parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						answer(err)
					}
				})
			})
		}
	}
}
