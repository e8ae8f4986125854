package replica

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// contact is what a peer has signed about where it is reached. It is never modified.
type contact struct {
	id    peer.ID
	addrs []ma.Multiaddr
	proof proof // of its membership; zero without a network
	said  wire.Contact
	entry summary.Entry
	met   time.Time // when we were connected last; zero: never
	lost  time.Time // when it was given up
	holds holding
}

// readContact proves that the addresses are the peer's own.
func readContact(said wire.Contact) (c contact, err error) {
	var rec peer.PeerRecord
	envelope, err := record.ConsumeTypedEnvelope(said.Envelope, &rec)
	if err != nil {
		return c, fmt.Errorf("%w: contact: %w", wire.ErrMalformed, err)
	}
	if !rec.PeerID.MatchesPublicKey(envelope.PublicKey) || rec.Seq == 0 || rec.Seq > 1<<63-1 || len(rec.Addrs) > maxAddrs {
		return c, fmt.Errorf("%w: contact", wire.ErrMalformed)
	}
	c = contact{id: rec.PeerID, said: wire.Contact{Envelope: bytes.Clone(said.Envelope), Chain: bytes.Clone(said.Chain)}}
	c.addrs = slices.DeleteFunc(rec.Addrs, func(a ma.Multiaddr) bool { return !manet.IsThinWaist(a) && !isNamed(a) })
	c.entry = summary.Entry{
		Key: wire.KeyOfContact(string(c.id)), Version: int64(rec.Seq), Name: string(c.id),
		Stamp: wire.StampOfContact(envelope.RawPayload),
	}
	return c, nil
}

// signContact says where we are reached.
func signContact(key crypto.PrivKey, addrs []ma.Multiaddr, seq uint64, chain []byte) (contact, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return contact{}, err
	}
	envelope, err := record.Seal(&peer.PeerRecord{PeerID: id, Addrs: addrs, Seq: seq}, key)
	if err != nil {
		return contact{}, err
	}
	text, err := envelope.Marshal()
	if err != nil {
		return contact{}, err
	}
	return readContact(wire.Contact{Envelope: text, Chain: chain})
}

// later reports whether c replaces another contact of the peer.
func (c contact) later(than contact) bool {
	if c.entry.Version != than.entry.Version {
		return c.entry.Version > than.entry.Version
	}
	return bytes.Compare(c.entry.Stamp[:], than.entry.Stamp[:]) > 0
}

// isNamed reports whether an address is to be asked of DNS.
func isNamed(a ma.Multiaddr) bool {
	return len(a) > 0 && slices.Contains([]int{ma.P_DNS, ma.P_DNS4, ma.P_DNS6}, a[0].Code())
}

// reachable returns the addresses that are worth to be told: all but those of this machine alone, unless
// there are no others, and the first ones when there are too many.
func reachable(addrs []ma.Multiaddr) (told []ma.Multiaddr) {
	others := slices.DeleteFunc(slices.Clone(addrs), manet.IsIPLoopback)
	if len(others) == 0 {
		others = addrs
	}
	for _, a := range others {
		if len(told) < maxAddrs && !slices.ContainsFunc(told, a.Equal) {
			told = append(told, a)
		}
	}
	slices.SortFunc(told, func(a, b ma.Multiaddr) int { return bytes.Compare(a.Bytes(), b.Bytes()) })
	return told
}
