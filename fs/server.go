package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
)

// server answers the kernel. This file lists every request that it knows, on
// one screen; what is not here is answered with ENOSYS by go-fuse, after which the
// kernel stops asking and falls back by itself (poll, lseek, fallocate, copy_file_range, ioctl).
//
// No handler waits for the network, and none but Flush waits for another
// request (see there).
type server struct {
	fuse.RawFileSystem
	*FS
}

type cancel = <-chan struct{}

// Names and attributes: lookup.go.

func (s server) Lookup(_ cancel, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return s.answer(opLookup, s.lookup(h, name, out))
}

func (s server) Forget(uint64, uint64) {} // nothing is remembered

func (s server) GetAttr(_ cancel, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return s.answer(opGetAttr, s.getAttr(in.NodeId, out))
}

func (s server) SetAttr(_ cancel, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return s.answer(opSetAttr, s.setAttr(in, out))
}

func (s server) StatFs(_ cancel, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	return s.answer(opStatFs, s.statFs(out))
}

// Directories: list.go.

func (s server) OpenDir(_ cancel, in *fuse.OpenIn, _ *fuse.OpenOut) fuse.Status {
	return s.answer(opOpenDir, s.openDir(in.NodeId))
}

func (s server) ReleaseDir(*fuse.ReleaseIn) {}

func (s server) FsyncDir(cancel, *fuse.FsyncIn) fuse.Status { return fuse.OK }

func (s server) ReadDir(_ cancel, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return s.answer(opReadDir, s.list(in, plain{out}))
}

func (s server) ReadDirPlus(_ cancel, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return s.answer(opReadDirPlus, s.list(in, plus{out, s.FS}))
}

// Reading: read.go, link.go, attribute.go.

func (s server) Open(_ cancel, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return s.answer(opOpen, s.open(in, out))
}

func (s server) Read(_ cancel, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n, err := s.read(in, buf)
	return fuse.ReadResultData(buf[:n]), s.answer(opRead, err)
}

func (s server) Readlink(_ cancel, h *fuse.InHeader) ([]byte, fuse.Status) {
	target, err := s.readLink(h.NodeId)
	return target, s.answer(opReadlink, err)
}

func (s server) Release(_ cancel, in *fuse.ReleaseIn) { s.release(in) }

func (s server) GetXAttr(_ cancel, h *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	n, err := s.getXAttr(h.NodeId, name, dest)
	return n, s.answer(opGetXAttr, err)
}

func (s server) ListXAttr(_ cancel, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	n, err := s.listXAttr(h.NodeId, dest)
	return n, s.answer(opListXAttr, err)
}

// Writing: write.go, rename.go.

func (s server) Create(_ cancel, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return s.answer(opCreate, s.create(in, name, out))
}

func (s server) Write(_ cancel, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, err := s.write(in.NodeId, in.Offset, data)
	return n, s.answer(opWrite, err)
}

func (s server) Flush(_ cancel, in *fuse.FlushIn) fuse.Status {
	return s.answer(opFlush, s.flush(in.NodeId))
}

// Fsync promises nothing about a draft: what is on disk is said by its close.
func (s server) Fsync(cancel, *fuse.FsyncIn) fuse.Status { return fuse.OK }

func (s server) Rename(_ cancel, in *fuse.RenameIn, from, to string) fuse.Status {
	return s.answer(opRename, s.rename(in, from, to))
}

func (s server) Unlink(_ cancel, h *fuse.InHeader, name string) fuse.Status {
	return s.answer(opUnlink, s.unlink(h, name))
}

func (s server) Mkdir(_ cancel, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return s.answer(opMkdir, s.mkdir(in, name, out))
}

func (s server) Rmdir(_ cancel, h *fuse.InHeader, name string) fuse.Status {
	return s.answer(opRmdir, s.rmdir(h, name))
}

func (s server) Mknod(cancel, *fuse.MknodIn, string, *fuse.EntryOut) fuse.Status {
	return fuse.EPERM
}

func (s server) Link(cancel, *fuse.LinkIn, string, *fuse.EntryOut) fuse.Status {
	return fuse.EPERM
}

func (s server) Symlink(cancel, *fuse.InHeader, string, string, *fuse.EntryOut) fuse.Status {
	return fuse.EPERM
}

func (s server) SetXAttr(cancel, *fuse.SetXAttrIn, string, []byte) fuse.Status {
	return notSupported
}

func (s server) RemoveXAttr(cancel, *fuse.InHeader, string) fuse.Status {
	return notSupported
}

// Init keeps the server, to tell the kernel when a delivery could not.
func (s server) Init(k *fuse.Server) { s.kernel = k }

// OnUnmount is told when the kernel has ended the connection.
func (s server) OnUnmount() { close(s.ended) }

// Origin is what the index notes of records that came in through the mount.
const Origin = "mount"
