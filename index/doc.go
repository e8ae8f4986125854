// Package index is where records live: one bbolt file, mode 0600, of one process. [Index.Apply] is
// the only way in and takes nothing but a [trust.Record]; [Index.Follow] tells everybody else.
//
// # What is held
//
// Every name has one held version, the one that wins by trust.Compare among those that the policy
// admits, and perhaps superseded ones. A tombstone is held like any other version. Names never go.
//
// Each time that a name's held version changes, that is a change; it gets the next number, seq.
// Directories get a number from the same counter, once. The first number is 16: the mount uses those
// below. A change has an inode, the seq at which its content appeared: a file that is signed again
// with the same content keeps its inode, one that comes back after a tombstone gets a new one.
//
// A version is withheld while the policy in force does not admit it, and when it is over. It stays on
// disk. Of one that is not admitted its entry says nothing; it comes back, with a new seq and
// inode, when a policy admits it, and does not stand in the way of an older one: a node that never
// saw it would take that too.
//
// # What ends
//
// A version is over at the end of its lifetime, for ever: a flag in its row outlives the clock, the
// process and the policy, and only a version that wins brings the name back. It stands in the way of
// older ones, else what it superseded would return. So one that wins is held also when it was over
// before it came: without content, never shown, an unlink for those who saw an older one. Its record
// travels on, and nodes end equal whoever was away while it lasted. A member's certificate is over too, but only
// until it is renewed: Learn, or a record that brings the new one, shows again what it signed, with
// the same inode. Either end is an ordinary change. It comes never early by this clock, and at once;
// when the clock was set or the machine slept, up to 15 s later. A clock that goes back hides nothing
// that was accepted; one that was ahead hides for ever what has a lifetime that ended by it, and what
// needs a certificate until that is renewed, a peer offers it again, or the next start.
//
// A tombstone is kept as long as its name, that is for ever: nothing older can return, whoever was
// away however long. What that costs is bounded by the names that a policy declares and, in
// namespaces, by [Index.SetQuota]. What is over is kept like one.
//
// # What members may
//
// In a namespace each member has a quota, and no name that is shown is a directory of another one:
// the first one stays until it is deleted. Both depend on the order in which records come. So nodes
// may differ in what they hold of a member that breaks these rules, and of no other.
//
// No order by which the same files win everywhere is better. If the newest won, a flood would throw out the
// member's good files; if the oldest did, whoever has its key would date the flood back, and each update would
// put a good file last. Either takes away what was shown and acknowledged, without anybody's signature
// that says so (I3). And nodes would differ all the same: when a deletion, a shorter version or an end
// gives room again, what was thrown out is still with some nodes and gone with others. As it is, nothing
// vanishes, and where the member has deleted enough, what was refused is taken when it is offered again.
//
// # What is kept
//
// Of each name there stay the newest three versions, the held one included (see [Index.SetHistory]),
// each in its newest change; as many changes; those that are pinned; and those that one of these
// needs: its inode, and what says that its lifetime is over. Others go, with contents that nothing
// else uses, in the transaction that supersedes them or soon after they are unpinned. Pins end with
// the process: what was pinned then goes when its name changes next, so that a successor can still
// serve open files.
//
// # The file
//
// It has five buckets. Numbers are big-endian; the length of a field comes before it, in two bytes.
//
//	meta      "format" → 1, and "delivered" → the newest change that the mount shows, 8 bytes each
//	changes   seq, 8 bytes → a row
//	contents  digest, 64 bytes → the content; one longer than 4096 bytes is in a bucket of its own
//	          under that key, with the key "bytes"
//	dirs      path → number, 8 bytes
//	members   public key, 32 bytes → when its certificate was learned, 8 bytes, nanoseconds since
//	          the epoch, and its chain in DER, the leaf first
//
// The newest change of a name is the one that is held; the others are its superseded versions. A row:
//
//	offset  bytes
//	     0      1  1, the format of the row
//	     1      1  the sum of 1: withheld; 2: its lifetime is over, with 1; 4: a tombstone; 8: its
//	               content is not stored, with 3: it was over when it came
//	     2      8  inode: the seq of an earlier change of this name with this content, or its own
//	    10      8  born: the seq of the name's first change
//	    18      8  version, nanoseconds since the epoch
//	    26      8  since when it is here, by this clock, nanoseconds since the epoch
//	    34      4  size of the content, at most 10 MiB; 0 when it is not stored
//	    38     64  digest of the content
//	   102   2+n  name
//	         2+n  origin, at most 128 bytes: who brought it
//	         2+n  signature, at most 16384 bytes: the text of the signature file
//
// Change 18, which is the second content of the name dns/cnames (born at 17, its directory is 16),
// brought by the mount, with "hello" for a content and, to be short, "text" for a signature:
//
//	0100
//	0000000000000012
//	0000000000000011
//	18ea7b64983d907e
//	18ea7b64d7523900
//	00000005
//	e4cfa39a3d37be31c59609e807970799caa68a19bfaa15135f165085e01d41a6
//	5ba1e1b146aeb6bd0092b49eac214c103ccfa3a365954bbbe52f74a2b3620c94
//	000a 646e732f636e616d6573
//	0005 6d6f756e74
//	0004 74657874
//
// Open refuses a file with rows that break this, and [Index.Check] one whose contents do.
//
// # How it is written
//
// One goroutine writes. It takes all callers of Apply that wait into one transaction, which stores
// contents, rows and what is dropped, or nothing (I2); only then it shows them and wakes followers
// (I3). No lock is held meanwhile (I8). The table in memory has everything but the contents. It also
// waits for the nearest end, kept in a heap, and books what each member has as that changes: no
// change costs more in a larger index.
//
// bbolt copies on write, and never splits a leaf of fewer than five keys: a 10 MiB value would be
// written again with each small neighbour. So longer contents have buckets of their own, whose pages
// are written once and given back whole. The list of free pages is not stored (NoFreelistSync), as
// dropping 10 MiB would add 20 KiB of it to every later transaction; Open and a failed transaction
// find it by walking the pages, few compared with the bytes in them. It is kept as a map of spans, so
// that 2,562 free pages in a row are found at once. The file never shrinks; freed pages are used again.
package index
