package fs

import (
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// pagesDir is the hidden directory of the pages, in the root. New versions are
// staged in it too, under names that cannot be guessed.
const pagesDir = ".dmfs"

// A Page is a file of the hidden directory .dmfs.
type Page struct {
	Name string
	// Render makes the content at each open, possibly in several goroutines at once.
	Render func() ([]byte, error)
}

// pages keeps what the open handles read, as far as there is room.
type pages struct {
	all []Page

	mu    sync.Mutex
	last  uint64
	open  map[uint64][]byte
	bytes int // in open
}

// maxPageBytes bounds what all open handles keep, which anybody may have a thousand of.
const maxPageBytes = 64 << 20

func newPages(all []Page) *pages { return &pages{all: all, open: map[uint64][]byte{}} }

func (f *FS) page(node uint64) *Page {
	if i := node - firstPage; node >= firstPage && i < uint64(len(f.pages.all)) {
		return &f.pages.all[i]
	}
	return nil
}

func (f *FS) lookupHidden(h *fuse.InHeader, base string, out *fuse.EntryOut) error {
	if base == historyDir {
		return f.entry(historyNode, 0, out)
	}
	for i, p := range f.pages.all {
		if p.Name == base {
			return f.entry(firstPage+uint64(i), forever, out)
		}
	}
	if e, ok := f.staged.find(base, h.Pid); ok {
		return f.entry(nodeID(contentKind, e.Inode), forever, out) // from the rename on it is what the kernel knows of the target
	}
	return syscall.ENOENT
}

func (f *FS) listPages(at uint64, l lister) error {
	if at < historyNode && !l.add(fuse.DirEntry{Name: historyDir, Mode: syscall.S_IFDIR, Ino: historyNode, Off: historyNode}, historyNode) {
		return nil
	}
	for i, p := range f.pages.all {
		node := firstPage + uint64(i)
		if at < node && !l.add(fuse.DirEntry{Name: p.Name, Mode: syscall.S_IFREG, Ino: node, Off: node}, node) {
			break
		}
	}
	return nil
}

func (f *FS) openPage(in *fuse.OpenIn, out *fuse.OpenOut) error {
	p := f.page(in.NodeId)
	if p == nil || writes(in.Flags) {
		return syscall.EACCES
	}
	text, err := p.Render()
	if err != nil {
		return err
	}
	out.Fh, out.OpenFlags = f.pages.keep(text), fuse.FOPEN_DIRECT_IO|fuse.FOPEN_NOFLUSH
	return nil
}

// keep returns the handle of a text. Where there is no room for it, each read makes it again.
func (p *pages) keep(text []byte) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	if p.bytes+len(text) <= maxPageBytes {
		p.bytes += len(text)
		p.open[p.last] = text
	}
	return p.last
}

func (f *FS) readPage(in *fuse.ReadIn, buf []byte) (int, error) {
	f.pages.mu.Lock()
	text, ok := f.pages.open[in.Fh]
	f.pages.mu.Unlock()
	if ok {
		return copyAt(buf, text, in.Offset), nil
	}
	p := f.page(in.NodeId) // not kept, or opened under an earlier process
	if p == nil {
		return 0, syscall.ESTALE
	}
	text, err := p.Render()
	return copyAt(buf, text, in.Offset), err
}

func (f *FS) releasePage(handle uint64) {
	f.pages.mu.Lock()
	defer f.pages.mu.Unlock()
	f.pages.bytes -= len(f.pages.open[handle])
	delete(f.pages.open, handle)
}
