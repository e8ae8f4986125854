// Package fs shows records as files.
//
// A mount is a directory in which every record that the index holds is a
// read-only file, with its detached signature beside it as NAME.sig. Writing a
// file and its signature into the mount proposes a new record. Package fs never
// talks to the network: it proposes records to the index and follows the
// index's changes.
//
// # Nodes
//
// The file system is stateless on FUSE's raw protocol: a node id is a number
// that the index keeps or, of members' directories, one that is computed from the path
// (see node.go and directory.go), so any request about a record can be
// answered by a process that never saw the lookup. One version of a name is one
// immutable inode; the kernel may cache its attributes and pages for ever. A
// new version is a new inode under the old name, so an open file keeps reading
// what it opened.
//
// # Delivery
//
// FUSE has no inotify event for a change that the server makes. Therefore a new
// version is staged under an unguessable name in the hidden directory .dmfs, and
// a process of our own, the courier (courier.go), calls rename(2) on it through
// the mount; a deletion is an unlink(2). It gets up to 32 changes at a time (round.go). The kernel updates its cache by itself
// and watchers see what they see for every atomic replacement: IN_MOVED_TO in
// the directory, IN_ATTRIB and IN_DELETE_SELF on the old file, IN_DELETE for a
// deletion. Lookups answer the old version until the kernel's own RENAME request
// arrives. NAME.sig changes together with NAME and has no event of its own:
// watch NAME.
//
// # Pages
//
// The other files of .dmfs are pages, made anew at each open. Nobody writes them, so the kernel has no
// event for them: the courier sets the times of one that is worth a look (touch.go), and its watchers
// see IN_ATTRIB, ten times a second at most. Nobody waits in a read or a poll for news, since
// what waits in a request keeps the machine from being suspended.
//
// # History
//
// The versions of a name that the index keeps are files too, read-only, below
// .dmfs/history: NAME is a directory there, and a version is called by its signed time
// in UTC, as 2026-11-23T12:00:00.5Z, with its signature beside it. The held version and
// those of deleted names are among them. Nobody is told when one comes or goes.
//
// # Members by name
//
// In each namespace NS, NS/by-name/MEMBER is a symbolic link to ../KEY, for each member of
// whom something is shown there. Of two members of one name it is that one's whose certificate was issued
// last. A certificate is no file: nobody is told when such a link comes or goes.
//
// # Drafts
//
// The kernel decides by owner and mode who may write (default_permissions).
// Whoever opens a name for writing gets a draft: an inode of its own that
// nobody can read and only its own process can see. Opening a visible file for
// writing is answered with ESTALE; the kernel then walks the path again and
// that walk finds the draft. Content and signature may come in either order
// and from several writers at once; the signature picks the content whose
// digest it signs. The verdict is the result of the close(2) that completes a
// pair, or of the rename(2) that moves the completing half into place. A close
// returns 0 when the record is on disk and this mount shows it. After a rename
// of a signature the record is on disk, and the mount shows it as soon as the
// kernel has released the directory, whose lock it holds until we answer.
//
// Below a member's place in a namespace a user may also make directories, for files to come.
// Such a draft directory exists in this mount only, is booked as a draft of its user, and
// is seen by everybody: watchers hear of the user's mkdir(2) anyway, and
// those who watch a whole tree must find what they were told of. With the first record
// below it, from whomever, it is a draft no more, and nothing about it changes. Until
// then whoever may write can rmdir(2) it; the courier does it when neither it nor a half
// below it was used for as long as a half waits, and when a file comes to its place. Other
// directories come from the policy and with records, and cannot be made or removed; none can be renamed.
//
// A half whose other half is missing waits for it (see drafts.go for the limits) and is then
// forgotten, which counts as a refusal, as its close succeeded. A refused pair changes nothing;
// the reason is kept by the index and shown in .dmfs/status.json and in the attribute
// user.dmfs.refused. Drafts and draft directories end with the process that serves the mount.
package fs
