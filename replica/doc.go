// Package replica is how records travel between nodes.
//
// A node gossips the head of every record that its own mount brought, with the content inline while it is
// small. That is a hint: it is fast and may lose anything. The guarantee is sync: on every new connection,
// on a timer and whenever something may have been lost, a node compares summaries with a peer and pulls
// what it lacks. Large contents are fetched by digest, each by one fetch at a time. What one peer does not send
// within 0.2 s, up to three others send parts of; who is through takes over half of what the slowest still has
// to send, and where a fetch broke off, the next one goes on. A supervisor dials for ever.
//
// The index is the only thing that replica and the rest of a node share: replica proposes records to it
// and follows its changes. Whatever comes from a peer passes the index's policy first.
//
// What is over is still synced, without content, for it supersedes where it was never seen. A node whose
// clock says that it is not over yet keeps what it has until it finds the content, or its clock agrees.
//
// # What sync costs
//
// Two nodes compare trees of hashes (package summary), so that a comparison costs what differs. To find d
// names of n of which the peer has later versions takes, in bytes both ways and round trips (rt):
//
//	     n      d = 0        d = 1         d = 10          d = 100
//	   100   36, 1 rt   504, 3 rt    1,555, 3 rt     2,795, 3 rt
//	 1,000   36, 1 rt   610, 4 rt    3,232, 4 rt    14,688, 5 rt
//	10,000   36, 1 rt   926, 5 rt    5,357, 5 rt    33,589, 7 rt
//
// The names and heads themselves come on top. Each side pulls what it lacks by a comparison of its own. Parts
// that differ for good, since policies do, are remembered for each peer and not compared again while nothing
// in them changes. A comparison that finds very much takes it in portions, and needs no more memory for it.
//
// # Who finds whom
//
// Each node signs where it is reached, all its addresses except those that only its own machine reaches, and
// sync passes that on as it does records, with the certificates that prove a member. Without a network
// anybody can make peers, so a node remembers 300 of them, and those that it has met come first. So one
// address of one node is enough to find all. Up to 64 nodes are all connected to each other; of more
// than these, each keeps connected to 8 to 12 that it has chosen by chance, beside those that the
// configuration names and those that have chosen it.
//
// Two nodes that dial each other at once get two connections, or more over TCP. Each of them closes, once all are
// five seconds old and nothing is under way there, those that are worth less than one that has just answered a
// ping: QUIC is worth more than TCP, and then what the node with the greater id has dialled.
//
// Config.PeersFile keeps the 300 peers that were met last, so that nobody is needed to find them again. It has
// mode 0600, is replaced at once, at most every minute and when the replica is closed, and is ignored when
// anything in it makes no sense. Its first line is "dmfs peers 2". Fields are separated by one space, times
// are as in RFC 3339, and messages are those of internal/wire, in base64.
//
// The second line is a change of the index, and the lineage up to it: the first 16 bytes, in hexadecimal, of
// SHA-256 over the names that appeared no later, in their order, for each one the change at which it did, 8
// bytes, the name and a zero byte. Each further line is when a peer was met, its Contact, its Peer.Seq and
// SeqAt, the root that it had last, in hexadecimal, and its last Report; "-" is one that is not known. When the
// lineage is not that of the index, which was replaced then, each Seq is taken for 0.
//
// # Behind NAT
//
// In a network, members that are Public relay connections between members, and nobody else; without a network
// nobody relays. Which connections there are, and how much they carry, is all that a relay learns: what goes
// through it is encrypted from end to end, and both ends prove in the same handshake as everywhere that they
// are members. It serves 1,024 Private members, 256 connections of each; there is no other limit.
//
// A Private member reserves at up to three Public ones that it is connected to, and has their addresses in its
// contact; others dial these with the rest. Whoever is dialled through a relay then has both sides dial each
// other at the same moment over QUIC, from the port that they listen on, at the addresses at which members see
// them, and tries that five times in six minutes: most NATs let them through. When there is a direct connection,
// the relayed ones are closed. Otherwise dials without the relay are tried every five minutes.
// Who is connected to members over TCP alone is told of no address for that, so a Private one dials QUIC a second
// earlier than usual.
//
// What Config.Watch tells has the node listen where it can now, close connections from addresses that are gone,
// ask those that are left for a sign of life within half a second and four round trips, dial, compare, and sign
// its new addresses. WatchMachine has it from the kernel: addresses and default routes that change, and the
// clock, when it is set or the machine wakes up.
//
// With Config.MDNS members on a LAN find each other: each tells, on all interfaces, also those that
// Config.Interfaces excludes, its peer id, where it listens
// and a hash of the network's id. That anybody can do, so of what is heard 16 are dialled at a time, at most four
// times. Without a network there is none, as it would invite strangers.
//
// # Who has what
//
// A node says what it holds by the root of its tree, in a report that it signs. Reports are gossiped when the
// root has changed, and passed on with the addresses when nodes sync, so that they reach everybody; the
// newest one of each member is kept, also while that is away. A node knows the last 1,024 roots of its own
// tree, and so up to which of its own changes somebody with one of them has everything: Peer.Seq. The root of
// somebody who is ahead, or who has another policy, is not among them; then what was known of it stays,
// until a comparison finds that it lacks nothing. Of who may not take all that we hold, it says nothing new.
//
// Reports are part of what nodes compare anyway. In a network of 30 that is idle, comparing them with the
// addresses costs each node 3 bytes a second, however many nodes there are, comparing what they hold costs 3
// more, and pings 27: of two who are connected, one pings when neither has heard anything for some 9 s, so that
// a connection that is dead is closed within 15 s. With all headers, down to those of IP, that makes 360
// bytes a second. A publication has every node report: some 40 KB for each of 30, at most every 3 seconds, and
// more rarely in a larger mesh.
//
// # Who may connect
//
// In a network only members talk. Both sides of a connection prove in its handshake that the network
// issued them a certificate for the very key of the connection, that it is valid now, and that the policy
// does not revoke it. The host, and with it every protocol, learns of a connection only after that. So a
// dial that succeeds is admitted, by both sides, and one that does not knows the reason.
//
// Each handshake shows the certificate that the node has at that moment; a renewed one is shown to
// connected peers at once. When a certificate ends, or a policy revokes it, the peers disconnect.
//
// What a stranger gets who reaches the port:
//
//   - Over QUIC, the node's public key, which is its peer id, in a self-signed certificate that says
//     nothing else. Over TCP, that we speak multistream and none of what it proposes; whoever knows the first
//     four bytes of the network's id, which is no secret, gets the public key there, too.
//   - When it shows a certificate, why that one is refused. The dialer speaks first: our own certificate, with
//     our name in it, goes only to members, and to the keys that we dial.
//   - A place among the handshakes, 16 for an IPv4 address or an IPv6 /56 and 256 for all, for 3 seconds,
//     with what QUIC buffers meanwhile (0.8 MiB at most), 8 KiB of certificates, and a few signatures to
//     check. Those who are members already notice nothing; who joins while all places are taken tries again.
//   - A line in the log, for 64 strangers an hour.
//
// What was tried: libp2p as it comes, with every protocol that there is here; the handshake without a
// certificate, with one of another network, of another member, of an authority, one that is over, not yet
// valid, or revoked by its serial number or its key; a member that shows another's certificate later; silence;
// and being dialled by a member. None reached anything.
//
// # Hostile members
//
// A member that turns hostile is stopped by what its records must prove, by the bounds on each stream and
// on what is remembered of each peer, and in the end by revoking its key. What one with a valid certificate
// and no file's key has tried on three honest nodes, all of them connected to it, and what came of it.
// All the while what an honest node published reached the others:
//
//   - Rollback: genuine old versions, also of what was deleted, gossiped in any disguise, listed, or listed as
//     if they were later, change nothing. Only who has never met an honest node believes them, until it
//     does (TestHostileRollback).
//   - Freeze: "nothing new", an old state, no answer, one byte a second, and gossip passed on to nobody
//     hold nothing back that there is another way for (TestHostileFreeze). Who knows nobody else
//     sees what it likes. In the first comparison of a session, and in some others, a peer is shown a root that
//     there is not: who says that it has the same is caught. Who keeps to an old state is not: an honest node
//     that has nothing newer, or another policy, looks like that, and Peer.Seq says how far behind it is.
//   - Holding contents back: it is the first to tell of news, and has other bytes for them, too few, none,
//     or serves them just fast enough, like many files of its own. A peer whose offer takes 2 s, that is
//     slower than 1 MiB/s, or its share of that, or lies, is passed over for 10 s and asked again, with
//     patience, only by who finds in sync that it has the content; meanwhile others may bring it. When what
//     several sent together is wrong, each is asked for all of it until it is right, which tells whose part was
//     not (TestHostileContents, TestHostileSlowSource, TestLiarAmongSources).
//   - Endless data: lengths of any size, contents longer than announced, trees without an end, and
//     thousands of streams, of which eight are served (TestHostileEndlessData, TestHostileStreams); tens of
//     thousands of names that it does not have (TestHostilePromises).
//   - Whatever it asks for, says and forges, as fast as it can: of what a peer has a node do, each part has its
//     cost: a connection, a stream, a message, a byte. Beyond all that the node holds once, which who is new may
//     lack, it gets half a second of a usual processor at once, and then a twentieth of one. What is more waits
//     on the wire, and nothing is lost (TestI9FloodGetsItsEffort, TestNewcomerGetsEverythingAtOnce).
//   - Mix and match: the name, version, content, digest, signature, certificate or network of something else
//     makes nothing genuine (TestHostileMixAndMatch).
//   - Forgeries, a hundred thousand: of each peer 4096 gossiped messages are judged at once, and 512 per
//     second; the rest is not remembered, and sync finds what was in it (TestHostileForgeries).
//   - Filling its own namespace, which it may: the index's quota holds on every node, for files, their bytes,
//     and names ever used (TestHostileFiller).
//   - Signing for ever in its namespace: of each member 512 versions are taken and passed on at once, and
//     32 per second. A version costs one more for each 16 KiB that it puts in place of what is less
//     than ten minutes old. So it costs each node some 512 KiB/s on the wire and on disk. What is above
//     that is asked for later, when only the newest version is left. In sync a name that did not change for
//     ten minutes costs nothing, so who was away catches up at once (TestHostileVersions). Nobody can
//     use up another's allowance by replaying (TestHostileReplaysCostTheirSender).
//   - Equivocation, two contents of one version: all nodes end with the same one, and warn
//     (TestHostileEquivocation).
//   - Versions of 1970 and of 2099 hurt its own names; with trust.Rules.MaxFuture the latter are held off
//     (TestHostileStamps). The former are no fault: a build that is to be the same everywhere, and a machine that
//     has no clock yet, sign like that.
//   - Being elsewhere each time it is asked: 16 moves of one member are taken at once, and then one every ten
//     seconds, whoever tells of them, and of those that were not, the last one later (TestHostileMoves).
//   - Copies of itself: eight connections of one identity are taken (TestHostileCopies). Other members behind
//     one address are no fault, each has its own certificate and is named by it.
//   - Its certificate ends or is revoked meanwhile: it is out at once, is not dialled, and what is in its
//     namespace is shown no more (TestHostileExpulsion).
//
// Who did what is told by Peers, with how often and when, also of who is not connected, and by the log and
// Config.Blamed, by the name in the certificate, once an hour for each fault. The log warns when no honest peer
// could have done it. Of each kind of fault 64 peers are remembered for a day, and Faults counts those of all.
//
// What is left to it: that twentieth of a processor by these costs, which has been up to a sixth of a real one, as
// what we ask of it ourselves is not counted, and datagrams that make no sense or carry a byte each; to delay a content that does not travel inline by some seconds where it is the first to
// tell of it, or until the next sync where it also fills its queue; and the bandwidth above. Three hostile members
// at once can keep all three places for heads in sync, and two all three for contents, for half a minute at a time.
//
// All of this also has been tried on three live nodes by a program (package hostiletest): what the others publish
// arrives, and after all attacks a node has had 105 MiB of memory at most, where 43 are usual, and no more descriptors.
// Publications take 4 to 5 ms before the attacks, 4 to 6 during ten of them, and 9 while one member does all in turn,
// on two processors that nodes and attacker share.
//
// # What real nodes take
//
// Of real processes with real mounts, in network namespaces of one machine, a node with so many files of 1 KiB, all
// named in its configuration, has so many MiB resident, in Go's heap, and at most while it catches up with all:
//
//	    10 files    32    3    32
//	 1,000 files    49    9    49
//	10,000 files   133   42   140
//
// Of 30 such nodes on two processors, which is what the times are about, the last one shows a file of 1 KiB after
// 45 ms (p95 56), of 64 KiB after 0.5 s (0.6), of 1 MiB after 1.3 s (1.6) and of 10 MiB after 5.2 s (6.9); of
// twelve, 1 KiB after 31 ms (37), and behind one address after 32 ms (53). A burst of 200 files is everywhere after
// 12 s. After five minutes without a link between two halves, in which both published, all are equal 3 s after it
// is back. When all but one are killed, the other publishes, and they start at once, the last has it 7 s later.
//
// While nothing happens, a connection over QUIC costs each side 15 bytes a second with all headers down to
// Ethernet's, most of which is pings, and one over TCP 31: its headers are longer, and each end acknowledges in
// packets of their own. So one of 30 nodes sends 440 if all of its connections are over QUIC. A machine that is too
// busy to answer within 250 ms gets connected over TCP: 718 were seen where that had become 20 of 29, and
// 646 on a machine that did nothing else.
//
// What is said on the wire is specified in internal/wire.
package replica
