// Package wire is the encoding of what two nodes say to each other. This comment is the format.
//
// A message is one byte of kind and version (the high four bits are the version, 1) and then its
// fields in the order given here, without padding. Numbers are unsigned and big-endian. A message has
// exactly one encoding, and nothing may follow it, so what decodes encodes to the same bytes.
//
//	0x11 Head   name length 2, name; version 8; signature length 2, signature; digest 64; size 4;
//	            inline 1 (0 or 1); the content, size bytes, if inline is 1
//	0x12 Hello  root 32, count 4, settled 32
//	0x13 Root   root 32, count 4
//	0x14 Page   last 1 (0 or 1), number of items 2; items: key 16, version 8, tag 8
//	0x15 Want   number of keys 2; keys: 16 each
//	0x16 End    (no fields)
//	0x17 Ask    digest 64
//	0x18 Offer  held 1 (0 or 1), size 4
//	0x19 Member length 2, certificates in DER, one behind the other, the sender's own first
//	0x1a Verdict reason 1
//
// Limits, checked before anything is allocated for the field: a name has 1 to 1,024 bytes and a
// signature 1 to 16,384; a version is greater than 0 and fits in 63 bits; size is at most 10 MiB and at
// most 64 KiB when inline is 1; a page has at most 1,024 items, their keys strictly ascending; a want has
// 1 to 256 keys, no order demanded; an offer that is not held has size 0;
// a member's certificates have 0 to 8,400 bytes; a reason is 0 to 6.
//
// The reasons of a verdict: 0 admitted, 1 not a certificate of this network, 2 malformed, 3 revoked,
// 4 expired, 5 not valid yet, 6 a certificate of another key than the sender's.
//
// Keys, tags and roots: a key is the first 16 bytes of SHA-256(name). A digest is the content's
// BLAKE2b-512, 64 bytes. A tag tells records of one name and version apart: it is the first 8 bytes of
// SHA-256 over the digest, the signer's key (32 bytes), 1 for a tombstone and 0 for a file, and the
// lifetime in nanoseconds (8 bytes, 0 for none). A root is SHA-256 over the count (4 bytes) and all items
// (32 bytes each, as in a page) in the order of their keys.
//
// On a stream every message is preceded by its length as a minimal unsigned varint (LEB128), and each
// reader says how long a message it takes. In gossip the message stands alone.
//
// What is said:
//
//	gossip   Head
//	sync     the client sends Hello, the server answers Root. When the server's root is the client's, or the
//	         one that the client has settled, that is all. Else the server sends pages, the last marked so.
//	         Then, as often as the client likes: the client sends Want, the server answers with at most one
//	         Head for each key (those it cannot serve are left out) and End. The client closes.
//	fetch    the client sends Ask, the server answers Offer and, if held, size raw bytes.
//	member   the client sends Member, its renewed certificate, the server answers Verdict.
//
// In a network, both sides prove that they are members before anything of the above can be said: once
// the connection is encrypted and both keys are proved, and before there are streams. The dialer sends
// Member. The listener answers Verdict and, if it admits the dialer, Member. The dialer answers Verdict.
// Over TCP this is said under Noise, before the multiplexer is chosen (/dmfs/<network>/noise/1); over QUIC
// on the dialer's first stream, which serves no other purpose. A dialer that sends anything else gets no
// answer.
//
// A worked example, the Head of the name "a" with version 1, the signature text "s", the digest of the
// content "hi" and that content inline:
//
//	11 0001 61 0000000000000001 0001 73
//	bfbcbe7ade93034ee0a41a2ea7b5fd81d89bdb1d75d1af230ea37d7abe71078f
//	1df6db4d251cbc6b58e8963db2546f0f539c80b0f08c0fdd8c0a71075c97b3e7
//	00000002 01 6869
package wire
