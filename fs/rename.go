package fs

import (
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"dmfs/trust"
)

// rename serves the courier's deliveries and the tools that write to a
// temporary name first. What is visible cannot be renamed.
func (f *FS) rename(in *fuse.RenameIn, from, to string) error {
	if in.NodeId == pagesNode {
		return f.renameStaged(in, from, to)
	}
	if reserved(in.NodeId) {
		return ErrUnsigned
	}
	if in.Flags&^unix.RENAME_NOREPLACE != 0 {
		return syscall.EINVAL
	}
	dir, ok := f.tree.path(in.NodeId)
	if !ok {
		return syscall.ESTALE
	}
	target, err := f.writable(&fuse.InHeader{NodeId: in.Newdir, Caller: in.Caller}, to)
	if err != nil {
		return err
	}
	if _, visible := f.visible(in.NodeId, from); visible {
		return ErrUnsigned
	}
	d, ok := f.drafts.of(joinPath(dir, from), in.Pid)
	if !ok {
		return syscall.ENOENT
	}
	return f.renameDraft(d, target)
}

// renameDraft moves a draft and gives the verdict on it under its new name. A
// refusal leaves it where it was.
//
// The kernel holds the locks of both directories until we answer, so the
// courier's own rename would wait for us: the verdict keeps it away from this
// name meanwhile, and if the content was completed this very rename is the
// delivery.
func (f *FS) renameDraft(d *draft, target string) error {
	source := d.location()
	name, err := trust.ParseName(strings.TrimSuffix(target, signatureSuffix))
	if err != nil || source == target {
		return err
	}
	if _, ok := f.drafts.open(d.node); !ok { // also a settled draft must be there to be put back
		return syscall.ESTALE
	}
	defer f.drafts.closed(d)
	replaced := f.drafts.at(target)
	f.drafts.move(d, target)
	d.offer()
	f.renames.begin(name)
	defer f.renames.end(name)
	seq, err := f.judge(d, true)
	if err != nil {
		f.drafts.move(d, source)
		return err
	}
	for _, old := range replaced {
		if old.process == d.process {
			f.drafts.drop(old)
		}
	}
	if e, ok := f.index.Get(name); ok && seq != 0 && e.Seq == seq && e.Shown && target == name.String() {
		f.showHeld(e)
	}
	return nil
}

// unlink serves the courier and tools that clean up after themselves. EPERM for what is visible is
// deliberate: a success would tell watchers of a deletion that did not happen.
func (f *FS) unlink(h *fuse.InHeader, base string) error {
	dir, ok := f.tree.path(h.NodeId)
	if !ok {
		return ErrUnsigned
	}
	path := joinPath(dir, base)
	if seq, ok := f.staged.take(path, h.Pid); ok {
		return f.unlinkStaged(path, seq)
	}
	if _, visible := f.visible(h.NodeId, base); visible {
		return ErrUnsigned
	}
	d, ok := f.drafts.of(path, h.Pid)
	if !ok {
		return syscall.ENOENT
	}
	f.drafts.drop(d)
	return nil
}

// unlinkStaged is the kernel's side of a deletion.
func (f *FS) unlinkStaged(path string, seq uint64) error {
	name, err := trust.ParseName(path)
	switch {
	case err != nil:
		return err
	case f.shows(name, seq):
		return errOvertaken
	}
	f.hide(name)
	return nil
}
