// Package hostiletest is a member of a network that does what no member should: it has a valid certificate,
// or one that is not, and no key of any file, and attacks the nodes of which it knows the addresses. It is a
// program's whole inside: what it does to live nodes is tested with real processes. Only tests import it.
//
// What it can do, by the names that Attacks lists:
//
//   - Floods: heads, garbage and control messages in gossip, contents that it asks for or that it signs in its
//     own namespace, versions, streams, contacts.
//   - Stalls: half a message and no more, a byte a second.
//   - Lies: digests of a tree without an end, names that it does not have, other bytes than it has
//     signed, two contents of one version, versions of 1970 and 2099.
//   - What the designers of TUF warn of: rollback, freeze, endless data, mix and match, and signatures for another
//     network or by other keys.
package hostiletest
