package fs

import (
	"sync"

	"dmfs/index"
)

// What was shown lately is kept for those who have looked it up and not opened
// it yet: so many versions, and so many bytes of content.
const (
	keptVersions = 256
	keptBytes    = 64 << 20
)

// keeper pins what is shown in the index, which may be ahead of us by many
// versions of a name and otherwise keeps the newest few.
type keeper struct {
	index *index.Index

	mu    sync.Mutex
	late  []index.Entry // not shown any more, oldest first
	bytes int64
}

// hold pins a version that is about to be shown. It reports false when the
// index has dropped it, since newer ones are on their way.
func (k *keeper) hold(e index.Entry) bool {
	if _, ok := k.index.Pin(e.Inode); !ok {
		return false
	}
	if _, ok := k.index.Pin(e.Seq); !ok {
		k.index.Unpin(e.Inode)
		return false
	}
	return true
}

// release ends a hold at once.
func (k *keeper) release(e index.Entry) {
	k.index.Unpin(e.Inode)
	k.index.Unpin(e.Seq)
}

// retire ends the hold on a version that is not shown any more, after a while.
func (k *keeper) retire(e index.Entry) {
	k.mu.Lock()
	k.late = append(k.late, e)
	k.bytes += e.Size
	n := 0
	for ; len(k.late)-n > keptVersions || k.bytes > keptBytes && n < len(k.late); n++ {
		k.bytes -= k.late[n].Size
	}
	gone := k.late[:n:n]
	k.late = k.late[n:]
	k.mu.Unlock()
	for _, e := range gone {
		k.release(e)
	}
}

// show makes a version that is held the visible one of its name.
func (f *FS) show(e index.Entry) {
	f.dirs.adopt(e.Name.Dir())
	if old, was := f.tree.show(e); was {
		f.keeper.retire(old)
	}
	f.dirs.drop(e.Name.String())
}

// showHeld does the same with a version that nobody holds yet, unless it is dropped.
func (f *FS) showHeld(e index.Entry) {
	if f.keeper.hold(e) {
		f.show(e)
	}
}
