package index_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func BenchmarkApplyOne(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, trust.MaxContent} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			names, p := numbered(b, 1)
			ix := indextest.Open(b, p)
			b.SetBytes(int64(size))
			for v := trust.Version(1); b.Loop(); v++ {
				b.StopTimer()
				r := trusttest.Record(b, p, alice, names[0], sized(int(v), size), v)
				b.StartTimer()
				apply(b, ix, r)
			}
		})
	}
}

func BenchmarkApplyTenCallers(b *testing.B) {
	names, p := numbered(b, 10)
	ix := indextest.Open(b, p)
	v := trust.Version(0)
	for b.Loop() {
		b.StopTimer()
		v++
		var recs []trust.Record
		for i, name := range names {
			recs = append(recs, trusttest.Record(b, p, alice, name, sized(int(v)*10+i, 1<<10), v))
		}
		done := make(chan error)
		b.StartTimer()
		for _, r := range recs {
			go func() {
				_, err := ix.Apply("", r)
				done <- err
			}()
		}
		for range recs {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkApplyThousand(b *testing.B) {
	names, p := numbered(b, 1000)
	ix := indextest.Open(b, p)
	v := trust.Version(0)
	for b.Loop() {
		b.StopTimer()
		v++
		recs := make([]trust.Record, len(names))
		for i, name := range names {
			recs[i] = trusttest.Record(b, p, alice, name, sized(int(v)*1000+i, 1<<10), v)
		}
		b.StartTimer()
		apply(b, ix, recs...)
	}
}

// filled opens an index with n files of 1 KiB.
func filled(b *testing.B, n int) (ix *index.Index, path string, p *trust.Policy) {
	names, p := numbered(b, n)
	path = filepath.Join(b.TempDir(), "index")
	ix = indextest.OpenAt(b, path, p)
	recs := make([]trust.Record, n)
	for i, name := range names {
		recs[i] = trusttest.Record(b, p, alice, name, sized(i, 1<<10), 1)
	}
	apply(b, ix, recs...)
	return ix, path, p
}

func BenchmarkGet(b *testing.B) {
	ix, _, _ := filled(b, 10_000)
	n := trusttest.Name(b, "file-05000")
	for b.Loop() {
		if _, ok := ix.Get(n); !ok {
			b.Fatal("not held")
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	ix, path, p := filled(b, 10_000)
	if err := ix.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ix, err := index.Open(path, p)
		if err != nil {
			b.Fatal(err)
		}
		if err := ix.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFollow is from the start of an Apply to the follower's call: that Apply and the wake-up.
func BenchmarkFollow(b *testing.B) {
	names, p := numbered(b, 1)
	ix := indextest.Open(b, p)
	ctx, cancel := context.WithCancel(b.Context())
	seen, ended := make(chan uint64), make(chan error)
	go func() {
		ended <- ix.Follow(ctx, 0, func(_ context.Context, entries []index.Entry) error {
			seen <- entries[0].Seq
			return nil
		})
	}()
	for v := trust.Version(1); b.Loop(); v++ {
		b.StopTimer()
		r := trusttest.Record(b, p, alice, names[0], sized(int(v), 1<<10), v)
		b.StartTimer()
		apply(b, ix, r)
		<-seen
	}
	cancel()
	is(b, <-ended, context.Canceled)
}

func BenchmarkReadAt(b *testing.B) {
	names, p := numbered(b, 1)
	ix := indextest.Open(b, p)
	r := trusttest.Record(b, p, alice, names[0], make([]byte, trust.MaxContent), 1)
	apply(b, ix, r)
	buf := make([]byte, 128<<10)
	b.SetBytes(int64(len(buf)))
	for off := int64(0); b.Loop(); off = (off + int64(len(buf))) % trust.MaxContent {
		if _, err := ix.ReadAt(r.Digest(), buf, off); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExpireThousand is from the end of 1,000 lifetimes to a follower that has seen all.
func BenchmarkExpireThousand(b *testing.B) {
	names, p := numbered(b, 1000)
	var clock wall
	ix := indextest.Open(b, p, index.Clock(clock.now))
	for v := now(); b.Loop(); v++ {
		b.StopTimer()
		clock.set(v.Time())
		recs := make([]trust.Record, len(names))
		for i, name := range names {
			recs[i] = mortal(b, p, name, "", v, time.Hour)
		}
		apply(b, ix, recs...)
		f := &follower{after: ix.Seq(), seen: map[trust.Name]trust.Version{}}
		b.StartTimer()
		clock.set(v.Time().Add(2 * time.Hour))
		apply(b, ix) // the writer looks at its clock
		f.until(b, ix, f.after+uint64(len(names)))
	}
}
