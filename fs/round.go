package fs

import "dmfs/index"

// What one round holds at most. Who waits for a change in it waits for all of it: some
// milliseconds.
const (
	maxRound      = 32
	maxRoundBytes = 8 << 10 // of names
)

// A round is the changes of one order to the courier, each of another name.
type round struct {
	fs      *FS
	changes []index.Entry
	bytes   int
}

func (r *round) isEmpty() bool { return len(r.changes) == 0 }

// add takes a change, which is held if it is shown, and finishes the round when it is full.
func (r *round) add(e index.Entry) {
	r.changes = append(r.changes, e)
	r.bytes += len(e.Name.String())
	if len(r.changes) == maxRound || r.bytes >= maxRoundBytes {
		r.finish()
	}
}

// finish has the changes made through the mount.
func (r *round) finish() {
	if r.isEmpty() {
		return
	}
	errnos, err := r.fs.courier.run(r.announce)
	for i, e := range r.changes {
		if err == nil {
			r.fs.conclude(e, orNil(errnos[i]))
		} else {
			r.fs.conclude(e, err)
		}
	}
	r.changes, r.bytes = r.changes[:0], 0
}

func (r *round) announce(thread uint32) order {
	r.fs.staged.begin(thread)
	errands := make([]errand, len(r.changes))
	for i, e := range r.changes {
		errands[i] = r.fs.errandOf(e)
	}
	return r.fs.order(errands...)
}

// errandOf announces the rename of a version onto its name, or the unlink of what is gone.
func (f *FS) errandOf(e index.Entry) errand {
	path := e.Name.String()
	if e.Shown {
		return errand{Do: doRename, From: pagesDir + "/" + f.staged.stage(e), Path: path}
	}
	f.staged.announce(path, e.Seq)
	return errand{Do: doUnlink, Path: path}
}
