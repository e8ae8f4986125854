// Package trust says what a file must prove before anybody reads it. It is the specification of
// names, keys, signatures and of which version wins; everything else in dmfs rests on it.
//
// # Overview
//
// A file in the network has a name, a content and a signature beside it. Whoever wants to
// publish it holds a private key, a [Signer]. Every node holds a [Policy], made from its own
// configuration, that says which public keys may sign which names. What arrives at a node, from
// the mount or from a peer, is a [Claim]: bytes that nobody has proved. [Policy.Verify] turns a
// claim into a [Record] or refuses it with a [Refusal]. There is no other way to make a record,
// and only records are stored, shown and passed on. Nodes do not vote: of two records of one
// name, [Compare] tells every node the same winner.
//
// # Names
//
// A name is the path of a file in the network, such as config.json or dns/cnames:
//
//   - UTF-8, 1 to 1,024 bytes, without control characters;
//   - one or more parts separated by single slashes, none at the beginning or end;
//   - each part 1 to 251 bytes, so that .sig fits behind it, and neither . nor ..;
//   - no part begins with .dmfs, which is reserved, or ends in .sig, which is the signature
//     beside a file.
//
// Names are compared byte by byte. Nothing is cleaned, folded or normalised: what is not a name
// is refused. Within one policy no name is a directory of another.
//
// # Keys
//
// All keys are ED25519 keys. A public key is read in any of four forms, told apart by how they
// begin and by their length:
//
//	32 bytes in base64  P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=
//	minisign            RWQ…, 56 characters, alone or below its "untrusted comment: " line
//	OpenSSH             ssh-ed25519 AAAA…, and perhaps a comment
//	PEM                 -----BEGIN PUBLIC KEY----- (SPKI)
//
// Base64 is the standard alphabet, padded, without line breaks inside. A text that is not
// exactly one key is refused, and so is a key that no signer can have: 32 bytes that are no
// point of the curve in canonical form (half of all typing errors are found by this), or one of
// the points of low order, under which anybody can sign.
//
// A private key is read as minisign writes it (with or without a password), as PEM PKCS#8
// (without), or as OpenSSH writes it (with or without).
//
// In minisign's forms a key comes with an id of 64 bits, which its signatures repeat. A key
// that comes without one gets the first eight bytes of its BLAKE2b-256 hash. The id is not
// signed. It is a hint, used to try the likely key first and to explain refusals; a signature
// with a different id is as good as one with the right id.
//
// # Signatures
//
// The signature beside NAME is NAME.sig, at most 4,096 bytes, in the format of minisign
// (https://jedisct1.github.io/minisign/), four lines:
//
//	untrusted comment: <text that nobody signs>
//	<base64 of: "ED", key id (8 bytes), signature of the content's digest (64 bytes)>
//	trusted comment: <the signed facts, at most 2,048 bytes>
//	<base64 of: signature of (the signature above, followed by the trusted comment) (64 bytes)>
//
// Each line ends in one line feed; the last may lack it. The content's digest is its
// BLAKE2b-512. The old kind of signature, "Ed", which signs the content itself, is refused.
// A content is at most 10 MiB (10,485,760 bytes).
//
// Because the digest is what is signed, a signature can be proved with the digest alone, before
// the content is there: that is a head ([NewHead]). Its record takes the content later
// ([Record.WithContent]) and refuses any other.
//
// The untrusted comment proves nothing and could say anything, so it is not kept: a record's
// signature carries the command that checks the file with stock minisign in its place.
//
// # The trusted comment
//
// The trusted comment is UTF-8 and consists of tokens separated by single tabs; it has no other
// control character. A token is a word, or a word, a colon and a value. No word occurs twice,
// and no token is empty. Words that are not listed here are signed but ignored.
//
//	timestamp:S[.F]  the version: seconds since the Unix epoch, in decimal, with up to nine
//	                 fractional digits; more than zero, and less than 2^63 nanoseconds. Required.
//	file:NAME        the whole name. Required.
//	network:ID       the network's public key, 32 bytes in base64url without padding
//	ttl:D            the lifetime, longer than zero: a Go duration such as 36h or 1h30m, or
//	                 whole seconds. It ends this long after the version. None: no end.
//	deleted          a tombstone: the name is deleted as of this version. The content is empty,
//	                 and there is no ttl, lest the file come back.
//	hashed           says what "ED" says already; as stock minisign writes it
//
// What `minisign -S` writes by default, timestamp, file and hashed, is such a comment. Stock
// minisign writes the last part of the name only: for a name in a directory give the comment
// yourself, with -t.
//
// # Verdicts
//
// [Policy.Verify] asks these questions in this order. The first that fails decides.
//
//  1. Is the name a name? Else [ErrName].
//  2. Are content and signature within their limits? Else [ErrTooLarge].
//  3. Can the signature and its tokens be parsed? Else [ErrMalformed].
//  4. Has the policy an entry for the name? Else [ErrNotAllowed].
//  5. Did one key of this entry make both signatures? If not: when such a key made either of
//     them, or has the key id, something was changed: [ErrMismatch]. When another key of the
//     policy made the signature of the comment: [ErrNotAllowed]. Else [ErrUnknownKey].
//  6. Is file the name? Else [ErrMismatch].
//  7. If the policy has a network, is it the one that was signed? Else [ErrMismatch]. A policy
//     without a network does not ask.
//  8. Is the lifetime not yet over? Else [ErrExpired].
//  9. If it is a tombstone, is the digest that of the empty content? Else [ErrMismatch].
//
// [Policy.Examine] asks the same of a signature whose content is not known at all, except for
// what needs the digest. It makes no record.
//
// The verdict depends on nothing but the claim, the policy and, in question 8, the time that the
// caller gives. [ErrRevoked] is for signers that were revoked.
//
// # Which record wins
//
// Of two records of one name the one with the later version wins; of equal versions the one with
// the greater digest; of equal digests the one with the greater signer key. Digests and keys are
// compared as bytes from the left. Should a signer sign one version of one content with two
// meanings, a tombstone beats a file and a longer lifetime a shorter one. Two records that are
// still equal say the same.
//
// # Example
//
// A private key, made for this page and known to everybody (PEM, as openssl reads it):
//
//	-----BEGIN PRIVATE KEY-----
//	MC4CAQAwBQYDK2VwBCIEIGRtZnM6IGEga2V5IHRoYXQgZXZlcnlib2R5IGtub3dz
//	-----END PRIVATE KEY-----
//
// Its public half, in the form that a configuration's [files] takes, and as minisign writes it:
//
//	Se1LtOKtPMnfoL+eFj8Zls/R3lmGfOsMt3k/qf2EHK0=
//	RWRf11G+is7/tUntS7TirTzJ36C/nhY/GZbP0d5ZhnzrDLd5P6n9hByt
//
// The file greeting is the six bytes "hello" and a line feed. Signed as of 2026-11-23 12:00:00.5
// UTC for ten days, its greeting.sig is, with tabs between the tokens of the third line:
//
//	untrusted comment: minisign -Vm greeting -x greeting.sig -P RWRf11G+is7/tUntS7TirTzJ36C/nhY/GZbP0d5ZhnzrDLd5P6n9hByt
//	RURf11G+is7/tW5afSNckacbrWToXrEj0X1I2f46pKH1kxPtDuWn5LUY/K4R14hBrYDVyGL7ZobzsENHjIYuR46Efo+OTDVgIgw=
//	trusted comment: timestamp:1795435200.5	file:greeting	ttl:240h0m0s	hashed
//	W1sMIPEG9sRm6ISuHNVwRyof1eEKC22CGu8lYCD2ZI+IyaqEBFH21tLc0jaIrACI/Kl2SY5IGcwApBCDi0VABw==
//
// With both in a directory, stock minisign agrees, by the command in the first line.
package trust
