// Package wire is the encoding of what two nodes say to each other. This comment is the format.
//
// A message is one byte of kind and version (the high four bits are the version) and then its
// fields in the order given here, without padding. Numbers are unsigned and big-endian. A message has
// exactly one encoding, and nothing may follow it, so what decodes encodes to the same bytes.
//
//	0x11 Head    name length 2, name; version 8; signature length 2, signature; digest 64; size 4;
//	             inline 1 (0 or 1); the content, size bytes, if inline is 1
//	0x23 Root    hash 16
//	0x1b Look    number of prefixes 2; prefixes: depth 1, half bytes (depth + 1) / 2
//	0x1c Node    children 2, the sum of 2^i for each child i that there is; their hashes: 16 each
//	0x1d Leaf    number of items 1; items: key 12, version 8, tag 4
//	0x25 Want    number of keys 2; keys: 12 each
//	0x16 End     (no fields)
//	0x27 Ask     key 12, digest 64, from 4
//	0x18 Offer   held 1 (0 or 1), size 4
//	0x19 Member  length 2, certificates in DER, one behind the other, the sender's own first
//	0x1a Verdict reason 1
//	0x1e Contact length 2, envelope; length 2, certificates as in Member
//	0x1f Report  author's key 32, hash 16, moment 8, length 1, agent; signature 64
//
// Limits, checked before anything is allocated for the field: a name has 1 to 1,024 bytes and a
// signature 1 to 16,384; a version is greater than 0 and fits in 63 bits; size and from are at most 10 MiB,
// and size is at most 64 KiB when inline is 1; a look has 1 to 64 prefixes and a want 1 to 256 keys, in any
// order; a depth is 0 to 24, and a prefix of odd depth ends with four bits of zero; a node has a child, and
// no hash that is zero; a leaf has at most 16 items, their keys strictly ascending; an offer that is not held
// has size 0; an envelope has 1 to 2,048 bytes and a member's certificates 0 to 8,400; a reason is 0 to 6;
// a moment is greater than 0 and fits in 63 bits; an agent has at most 64 bytes, each 0x20 to 0x7e.
//
// The reasons of a verdict: 0 admitted, 1 not a certificate of this network, 2 malformed, 3 revoked,
// 4 expired, 5 not valid yet, 6 a certificate of another key than the sender's.
//
// # Summaries
//
// A key is the first 12 bytes of SHA-256(name). A digest is the content's BLAKE2b-512, 64 bytes. A stamp
// is SHA-256 over version (8 bytes), digest, the signer's key (32 bytes), 1 for a tombstone and 0 for a
// file, and the lifetime in nanoseconds (8 bytes, 0 for none). A tag is the first 4 bytes of a stamp: with
// the version it tells, but for bad luck, whether two nodes hold the same.
//
// A prefix stands for the keys that begin with its half bytes, the high half of a byte first. What a node
// holds of them has a hash, the first 16 bytes of SHA-256:
//
//   - of nothing: it is zero;
//   - of at most 16 keys: over a zero byte and, in the order of the keys, key and stamp of each;
//   - of more: over a byte of 1 and the hashes of the 16 prefixes with one more half byte, in their order.
//
// # What is said
//
// On a stream every message is preceded by its length as a minimal unsigned varint (LEB128), and each
// reader says how long a message it takes. In gossip the message stands alone.
//
//	gossip   Head, or Report
//	sync     Client and server send Root, the hash of the empty prefix. Then, as often as the client likes,
//	         it sends Look, and the server answers each prefix in turn: with a Node if it holds more than 16
//	         keys there, else with a Leaf of all of them. Or the client sends Want, and the server answers
//	         with at most one Head for each key (those it cannot serve are left out) and End. The client
//	         closes. The server tells one state of what it holds, and the newest heads. It remembers
//	         nothing from one stream to the next. It may refuse to be asked more than once for everything.
//	         The client's Root is only a hint, and now and then random: who repeats what it hears is found so.
//	fetch    The client sends Ask for the content of a name, the server answers Offer and, if it holds this
//	         very content and that many bytes of it, what begins at from: size less from raw bytes.
//	contacts As in sync, with Contact or Report for Head, in the order in which they were asked for. The key is
//	         that of the peer's id in binary, with its last bit 0 for the contact and 1 for the report, so that
//	         the contact comes first. The version of a contact is the sequence number of its record, and its
//	         stamp SHA-256 of the envelope's payload; those of a report are its moment and SHA-256 of it.
//	ping     The client sends 8 bytes, as often as it likes within 5 minutes each, and the server sends them back.
//	         These are raw bytes. Who answers that it does not know this protocol is as alive.
//	member   The client sends Member, its renewed certificate, the server answers Verdict.
//
// An envelope is libp2p's signed envelope (RFC 0002) of a peer record (RFC 0003): the peer's id, a
// sequence number greater than 0 that fits in 63 bits, and at most 16 addresses. The sender has seen
// certificates that prove that the peer is a member, and sends them, if there is a network.
//
// A report says what a peer holds: the hash is that of its Root in sync. The moment, nanoseconds since the
// epoch by the author's clock, is when that was so, and the agent is what the peer calls its program. The
// author, whose key is the one in the peer's id, signs with ED25519 the text "dmfs report" and a line feed, the
// network's key (32 bytes, zero without a network), and the message up to its signature. A node sends one when
// it holds something else than it said last and that has been at rest for 50 ms or for a second was not, but
// only every second, or every tenth of a second for each peer that it knows, if that is longer. A report is
// taken, kept and passed on if its author's contact is known, the one known before is at least half a second
// older, and it is no further ahead of the clock than the policy's clock skew. Others are ignored; one
// with a wrong signature is the sender's fault.
//
// The protocols are sync/2, fetch/2, contacts/2, member/1 and ping/1 in /dmfs/NETWORK, the topic is heads/1 there;
// NETWORK is the first four bytes of the network's key in hexadecimal, or "local" without one.
//
// In a network, both sides prove that they are members before anything of the above can be said: once
// the connection is encrypted and both keys are proved, and before there are streams. The dialer sends
// Member. The listener answers Verdict and, if it admits the dialer, Member. The dialer answers Verdict.
// Over TCP this is said under Noise, before the multiplexer is chosen (/dmfs/<network>/noise/1); over QUIC
// on the dialer's first stream, which serves no other purpose. A dialer that sends anything else gets no
// answer.
//
// # Examples
//
// The Head of the name "a" with version 1, the signature text "s", the digest of the
// content "hi" and that content inline:
//
//	11 0001 61 0000000000000001 0001 73
//	bfbcbe7ade93034ee0a41a2ea7b5fd81d89bdb1d75d1af230ea37d7abe71078f
//	1df6db4d251cbc6b58e8963db2546f0f539c80b0f08c0fdd8c0a71075c97b3e7
//	00000002 01 6869
//
// A node that holds this, signed by the key of 32 bytes of 1, says with its length before it Root, and
// when asked for the empty prefix, by a Look, it answers a Leaf; the client then sends a Want:
//
//	11 23 fccbec039224a478edadad446e6d99fa
//	04 1b 0001 00
//	1a 1d 01 ca978112ca1bbdcafac231b3 0000000000000001 674a59af
//	0f 25 0001 ca978112ca1bbdcafac231b3
//
// One that holds the names 0 to 16, in decimal, each like that, has more than a leaf takes. Its Root and
// its Node:
//
//	11 23 ec7757941421c87b761ed7bb0875b9ab
//	b301 1c 69fe
//	4ef77eaf5f72f7a913325165450ef943 245f29d69fe6c0b9b1d818b82c175b04
//	44193e11cf4977440f28a33a5abd86a1 c8064d6dacaeefcf6682b9482c8c8c60
//	f307f08e944a2cc72133571adf1f7bcc 642c4feb8f9c7087844b0e7e90acb399
//	4b9e35e6e2c582d39948a1a9ed876b79 36901d0abb7f5092dba54337128dff5e
//	994fe839d033caa2491411adfae2e710 10ef60161c85701403c5aab26e632808
//	d3dabb788fc1a1ddf7747a19c7ebaaf1
//
// The Report of a program dmfs/1.0 that holds the "a" of the first example. Its author's private key has a
// seed of 32 bytes of 1, and it says so at moment 1 where there is no network:
//
//	1f 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c
//	fccbec039224a478edadad446e6d99fa 0000000000000001 08 646d66732f312e30
//	4333cfab952d8062c555efc82de1baa1f03e34ae8c79c24bfff9ecb811aea44c
//	7b602d1bb2f98d56312adf9b870bcf00d47c0fa84bc9d4f869ee494fedbe3307
package wire
