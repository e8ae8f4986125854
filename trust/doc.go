// Package trust says what a file must prove before anybody reads it. It is the specification of
// names, keys, signatures and of which version wins; everything else in dmfs rests on it.
//
// # Overview
//
// A file in the network has a name, a content and a signature beside it. Whoever wants to publish it
// holds a private key, a [Signer]. Every node holds a [Policy], made from its own configuration, that
// says which public keys may sign which names. What arrives at a node, from the mount or from a peer,
// is a [Claim]: bytes that nobody has proved. [Policy.Verify] turns a claim into a [Record] or refuses
// it with a [Refusal]. There is no other way to make a record, and only records are stored, shown and
// passed on. Nodes do not vote: of two records of one name, [Compare] tells every node the same winner.
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
// The name policy.toml is kept for the travelling policy, see below, and nothing is below it. Names are
// compared byte by byte. Nothing is cleaned, folded or normalised: what is not a name is refused. Within
// one policy no name is a directory of another.
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
// Base64 is the standard alphabet, padded, without line breaks inside. A text that is not exactly one
// key is refused, and so is a key that no signer can have: 32 bytes that are no point of the curve in
// canonical form (half of all typing errors are found by this), or one of the points of low order,
// under which anybody can sign. A private key is read as minisign writes it (with or without a
// password), as PEM PKCS#8 (without), or as OpenSSH writes it (with or without).
//
// In minisign's forms a key comes with an id of 64 bits, which its signatures repeat. A key without
// one gets the first eight bytes of its BLAKE2b-256 hash. The id is not signed. It is a hint, used to
// try the likely key first and to explain refusals; a signature with another id is as good.
//
// # Signatures
//
// The signature beside NAME is NAME.sig, at most 16,384 bytes, in the format of minisign
// (https://jedisct1.github.io/minisign/), four lines of together at most 4,096 bytes:
//
//	untrusted comment: <text that nobody signs>
//	<base64 of: "ED", key id (8 bytes), signature of the content's digest (64 bytes)>
//	trusted comment: <the signed facts, at most 2,048 bytes>
//	<base64 of: signature of (the signature above, followed by the trusted comment) (64 bytes)>
//
// Behind them, in a namespace, stands a certificate chain: PEM blocks and nothing else, as
// [Chain.PEM] writes them. Stock minisign does not read that far. Behind the signature of any other
// name a chain proves nothing and is not kept.
//
// Each line ends in one line feed; the last may lack it. The untrusted comment could say anything, so
// it is not kept: a record's has the command that checks the file with stock minisign. The old kind of
// signature, "Ed", which signs the content itself, is refused.
//
// The content's digest is its BLAKE2b-512. A content is at most 10 MiB (10,485,760 bytes). Because the
// digest is what is signed, a signature can be proved with the digest alone, before the content is
// there: that is a head ([NewHead]). Its record takes the content later ([Record.WithContent]) and
// refuses any other.
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
//	deleted          a tombstone: the name is deleted as of this version. No content, no ttl.
//	hashed           says what "ED" says already; as stock minisign writes it
//
// What `minisign -S` writes by default, timestamp, file and hashed, is such a comment. Stock
// minisign writes the last part of the name only: for a name in a directory give the comment
// yourself, with -t.
//
// # Certificates
//
// A network is an ED25519 key; its public half is the network's id. A member is who holds a
// certificate by that key: X.509 (RFC 5280, RFC 8410), such as openssl and Go's crypto/x509 read and
// write it, with these rules:
//
//   - Key and signature are ED25519. The key is the member's identity key. Renewal keeps it.
//   - The subject's common name is the member's name: one part of a name, at most 64 bytes. Names
//     are not unique; keys are.
//   - A member's certificate is not an authority's (CA). When it has key usages, digital signature
//     is one of them.
//   - An authority's is one (basicConstraints CA), and when it has key usages, certificate signing
//     is one of them. Its path length constraint holds. A certificate names its authority's subject
//     as its issuer. What it names when the network's key itself issued it does not matter; we write
//     the network's id in unpadded base64url.
//   - Serial numbers are positive and have at most 20 bytes. Ours are random, of 16.
//   - Extensions that are critical are none but key usage, basic constraints and extended key
//     usage. The last speaks of other protocols and is ignored, as are all that are not critical.
//   - A certificate has at most 2,800 bytes in DER.
//
// A chain is one to three certificates, the member's first. [Policy.VerifyMember] looks for a way
// from it to the network's key through the other certificates of the chain and those of
// [Rules.Authorities], in any order, of at most three. What it does not need it ignores. A
// certificate is valid from its notBefore, less the clock skew of 30 seconds or what the rules say,
// to its notAfter, which is the first moment at which it is over; a way is valid while all of its
// certificates are. Of several ways the one that is valid longest counts.
//
// To let openssl verify a chain, give it the network's key in the form that it wants at the top:
//
//	openssl req -x509 -new -key network.key -subj /CN=NETWORK-ID -out network.pem
//	openssl verify -CAfile network.pem -untrusted chain.pem chain.pem
//
// # Namespaces
//
// A namespace is a name, such as telemetry, below which each member may publish without an entry
// per file:
//
//	telemetry/KEY
//	telemetry/KEY/sub/path
//
// KEY is the member's identity key, 32 bytes in base64url without padding: 43 characters, of which
// there is one text for each key. No other name below a namespace is admitted. The file is signed
// with the member's identity key, for this network, and the member's certificate proves that key. It
// stands behind the signature, or the node knows it from elsewhere ([Claim.WithCertificate]); a
// renewed one replaces what stands there. What a record keeps behind its signature is the way that
// proved it, authorities included, so that it proves on every node.
//
// Namespaces need a network. Within one policy no file or namespace is, or is a directory of,
// another. Whether a member has telemetry/KEY or names below it, not both, is not asked here.
//
// # Lifetimes
//
// A record is over when the time is version plus ttl or later ([Record.Expires]). In a namespace it
// is also not shown from the end of the certificate on ([Member].NotAfter), which renewal moves;
// nothing moves the former but a later version. Verify compares both with the time that it is given,
// exactly. Its caller remembers what was over, so that a clock that goes back brings nothing back. What
// is over still supersedes, also on a node that was away while it lasted: its record proves that.
//
// # Bounds
//
// A policy may bound a name's versions ([Bounds], both ends included). A version that is not within
// is refused, whenever it was signed: that is how a stamp in the year 2099 is retired. With
// [Rules.MaxFuture] versions further ahead of the clock than that are refused with [ErrFuture], and
// taken when their time has come. It is off by default: nodes whose clocks are behind would refuse
// what others show.
//
// # Revocation
//
// A revoked key proves nothing any more: no record that it signed, whatever its version, no member
// that it belongs to, and no certificate that it issued. A revoked serial number does the same to the
// certificates that have it, whoever issued them; a new certificate of the same key is good. The
// network's own key cannot be revoked: make a new network.
//
// # The travelling policy
//
// When the local configuration names signers of the policy, the file policy.toml, signed by one of
// them, amends it on every node. It is TOML, at most 1 MiB, with these tables, all optional:
//
//	[files]                       # who may sign, as in the configuration; keys as text, no paths
//	"motd" = [ "Se1LtOKtPMnfoL+eFj8Zls/R3lmGfOsMt3k/qf2EHK0=" ]
//
//	[network]
//	namespaces = [ "telemetry" ]
//
//	[revoked]
//	keys = [ "eCdKNN6CIMfEMx2SjjIJ24l2Qapc7agIlDXZSTKsH70=" ]
//	certificates = [ "4f3c1a0d" ] # serial numbers in hexadecimal, perhaps with colons
//
//	[bounds]                      # moments with their time zone; both ends are included
//	"config.json" = { not_before = 2026-01-01T00:00:00Z, not_after = 2026-12-31T23:59:59Z }
//
// Anything else in it is refused, with the line, and so is what is nested deeper than four brackets.
// The policy in force is the local one with the newest policy.toml; what an older one added is gone.
//
//   - It adds files and namespaces, and revokes keys and certificates, local ones too.
//   - It bounds names, local ones too, that have no local bounds.
//   - It never overrules: a file or namespace that is, is below or is above a local one, bounds
//     beside local bounds, and the revocation of the network's key are passed over and named
//     ([Policy.Overruled]). The rest of it holds, as nodes' configurations differ.
//   - It has no say about itself: policy.toml is judged by the local policy alone, its signers,
//     revocations and bounds. So no policy can widen its signers or revoke itself in turns, and all
//     nodes take the same one in whatever order it arrives. A policy signer whose key was stolen is
//     removed from the local configurations.
//
// # Verdicts
//
// [Policy.Verify] asks these questions in this order. The first that fails decides.
//
//  1. Is the name a name? Else [ErrName].
//  2. Are content, signature and certificates within their limits? Else [ErrTooLarge].
//  3. Can the signature, its tokens and the certificates behind it be parsed? Else [ErrMalformed].
//  4. Has the policy an entry for the name, or is it a member's in a namespace? Else [ErrNotAllowed].
//  5. Did one key of this entry, or the member's, make both signatures? If not: when such a key made
//     either of them, or has the key id, something was changed: [ErrMismatch]. When another key of
//     the policy made the signature of the comment: [ErrNotAllowed]. Else [ErrUnknownKey].
//  6. Is this key not revoked? Else [ErrRevoked].
//  7. Is file the name? Else [ErrMismatch].
//  8. If the policy has a network, is it the one that was signed? Else [ErrMismatch].
//  9. Is the version within the name's bounds? Else [ErrNotAllowed].
//  10. Is it not too far ahead of the clock? Else [ErrFuture].
//  11. In a namespace: is one of the certificates known a valid one of the signer? Else the reason
//     of the first: [ErrUnknownKey] when there is none or it is not of this network, [ErrMismatch]
//     when it is for another key, [ErrMalformed] when it is not a member's, [ErrRevoked],
//     [ErrExpired], or [ErrFuture] when it is not valid yet.
//  12. If it is a tombstone, is the digest that of the empty content? Else [ErrMismatch].
//  13. If it is policy.toml and its content is here, does it make sense? Else [ErrMalformed], or
//     [ErrTooLarge]. Content that comes later is asked then, by [Record.WithContent].
//  14. Is the lifetime not yet over? Else [ErrExpired], but with the record. No other refusal has one.
//
// The verdict depends on nothing but the claim, the policy and, in questions 10, 11 and 14, the time
// that the caller gives. [Policy.Examine] asks the same of a signature whose content is not known at
// all, except for what needs the digest, and question 11. It makes no record.
//
// # Which record wins
//
// Of two records of one name the one with the later version wins; of equal versions the one with
// the greater digest; of equal digests the one with the greater signer key. Digests and keys are
// compared as bytes from the left. Should a signer sign one version of one content with two
// meanings, a tombstone beats a file and a longer lifetime a shorter one. Two records that are
// still equal say the same.
//
// # Attacks
//
// What the attacks of TUF's catalogue (https://theupdateframework.io/security/), as far as signatures
// can meet them, come to, and the test that tries each:
//
//   - Arbitrary content, by somebody without a key: refused, whatever byte is changed
//     (TestVerdicts, TestMangledSignatures, TestMangledCertificates).
//   - Rollback, a replayed old record: it proves, as it is genuine, and loses against what is held, a
//     tombstone too (TestAttackRollback). A node that holds nothing yet takes the newest that it is
//     shown; see package replica.
//   - Mix and match, parts of several genuine records: name, version, network and digest are signed
//     together, and certificates are for keys (TestAttackMixAndMatch).
//   - Wrong network, records and certificates of another one, by the same keys: refused
//     (TestAttackOtherNetwork).
//   - Wrong name, a genuine file in another's place: refused (TestVerdicts).
//   - Endless data: every limit is checked before anything is parsed or digested, and what a hostile
//     signature can cost is bounded (TestVerdicts, TestChainsRefused, TestWrongPoliciesRefused,
//     TestI9ManyStrangers).
//   - Key compromise of one signer: the thief signs that key's names and no others
//     (TestAttackStolenKeys). Revocation of the key takes back all that it signed, at once
//     (TestAmendmentRevokes). A member's key makes no members (TestMembers).
//   - Freeze by a far version, of a signer whose clock is wrong or whose key was stolen: bounds
//     retire it (TestAttackRunawayStamp), and MaxFuture keeps it out (TestVersionLimits).
//   - Key compromise of a policy signer: it amends, but touches nothing local except by revocation,
//     and cannot keep itself in (TestAmendmentNeverOverrules, TestPolicyHasNoSayAboutItself).
//   - A hostile authority: its certificates end with its own, and revocation of its key or serial ends
//     all of them (TestMemberEndsWithItsAuthority, TestMembers).
//
// Freezing by silence, an old state that is simply not updated, is not met here: no signature is
// missing. Lifetimes bound it for those who set them.
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
//
// The same key as a network's issued this certificate, for the year 2026, to the member ann, whose
// identity key is P8eyzcfXoft4YSfTn6t9iKFw1u8rT07KE0+50Rhny5g=:
//
//	-----BEGIN CERTIFICATE-----
//	MIIBITCB1KADAgECAhBTHl6oNWS/GNI1lx7HLWnKMAUGAytlcDA2MTQwMgYDVQQD
//	DCtTZTFMdE9LdFBNbmZvTC1lRmo4WmxzX1IzbG1HZk9zTXQza19xZjJFSEswMB4X
//	DTI2MDEwMTAwMDAwMFoXDTI3MDEwMTAwMDAwMFowDjEMMAoGA1UEAxMDYW5uMCow
//	BQYDK2VwAyEAP8eyzcfXoft4YSfTn6t9iKFw1u8rT07KE0+50Rhny5ijIDAeMA4G
//	A1UdDwEB/wQEAwIHgDAMBgNVHRMBAf8EAjAAMAUGAytlcANBABx25NcGEMdp2UX0
//	SPPaZEQhfQbGXB6DBYNtil5GLflGxVsYdFrMMQbxrcJE7iiu2JfX1ZX2GDAElct0
//	0zY6uQ0=
//	-----END CERTIFICATE-----
//
// Ann's serial number is 531e5ea83564bf18d235971ec72d69ca, and her place in the namespace telemetry is
//
//	telemetry/P8eyzcfXoft4YSfTn6t9iKFw1u8rT07KE0-50Rhny5g
package trust
