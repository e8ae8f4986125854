// Package replica is how records travel between nodes.
//
// A node gossips the head of every record that its own mount brought, with the content inline while it is
// small. That is a hint: it is fast and may lose anything. The guarantee is sync: on every new connection,
// on a timer and whenever something may have been lost, a node compares summaries with a peer and pulls
// what it lacks. Large contents are fetched by digest. A supervisor dials for ever.
//
// The index is the only thing that replica and the rest of a node share: replica proposes records to it
// and follows its changes. Whatever comes from a peer passes the index's policy first.
//
// What is said on the wire is specified in internal/wire.
package replica
