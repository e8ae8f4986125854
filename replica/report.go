package replica

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// leastApart is how far apart a peer's reports are: others bound by it what they pass on.
const leastApart = time.Second / 2

var errNotKnown = errors.New("a report of somebody whose contact is not known")

// author is who signs our reports.
type author struct {
	key     ed25519.PrivateKey
	network trust.Key
	agent   string
}

// agentOf returns what peers are told that we are, cut to what they take.
func agentOf(cfg Config) string {
	agent := printable("dmfs/" + cfg.Version)
	return agent[:min(len(agent), wire.MaxAgent)]
}

// report says what we hold.
func (a author) report(root wire.Hash, at time.Time, last wire.Report) wire.Report {
	rep := wire.Report{
		Author: [32]byte(a.key.Public().(ed25519.PublicKey)),
		Root:   root,
		Moment: max(at.UnixNano(), last.Moment+int64(leastApart)),
		Agent:  a.agent,
	}
	copy(rep.Signature[:], ed25519.Sign(a.key, rep.Signed(a.network)))
	return rep
}

// judgeReport is the topic's validator for reports.
func (r *Replica) judgeReport(from peer.ID, rep wire.Report) pubsub.ValidationResult {
	_, err := r.takeReport(rep)
	switch {
	case err == nil:
		return pubsub.ValidationAccept
	case errors.Is(err, wire.ErrMalformed):
		r.log.Debug("gossip refused", "peer", from, "err", err)
		return pubsub.ValidationReject
	}
	return pubsub.ValidationIgnore
}

// takeReport proves a report and keeps it with its author's contact, which proved that the author is a
// member.
func (r *Replica) takeReport(rep wire.Report) (wire.Key, error) {
	id, err := idOfKey(rep.Author)
	if err != nil {
		return wire.Key{}, fmt.Errorf("%w: author of a report: %w", wire.ErrMalformed, err)
	}
	key := wire.KeyOfReport(string(id))
	known, ok := r.book.get(id)
	switch {
	case !ok:
		return key, errNotKnown
	case !r.follows(rep, known.holds.said):
		return key, errNoNews
	}
	if err := r.author.proves(id, rep); err != nil {
		return key, err
	}
	return key, r.keep(id, rep)
}

// proves proves that a report is a peer's own, and of our network.
func (a author) proves(id peer.ID, rep wire.Report) error {
	if got, err := idOfKey(rep.Author); err != nil || got != id || !ed25519.Verify(rep.Author[:], rep.Signed(a.network), rep.Signature[:]) {
		return fmt.Errorf("%w: report not signed by its author", wire.ErrMalformed)
	}
	return nil
}

// follows reports whether a report may replace another one now. A moment too far ahead of the clock is for
// later: it would keep out what the author says until then.
func (r *Replica) follows(rep, last wire.Report) bool {
	latest := r.now().Add(r.ix.Policy().ClockSkew()).UnixNano()
	return rep.Moment-last.Moment >= int64(leastApart) && rep.Moment <= latest
}

func (r *Replica) keep(id peer.ID, rep wire.Report) error {
	err := errNotKnown
	r.account(id, func(h holding) holding {
		if err = errNoNews; r.follows(rep, h.said) {
			err = nil
			h = h.hearing(rep.Root, time.Now(), r.summaries.when)
			h.said = rep
		}
		return h
	})
	if err == nil && id == r.host.ID() {
		notify(r.restate)
	} else if err == nil {
		time.AfterFunc(reportEvery, func() { r.lookInto(id) })
	}
	return err
}

// lookInto compares ourselves with a peer whose root tells us nothing, by now: it has another policy, or
// something that we missed.
func (r *Replica) lookInto(id peer.ID) {
	c, _ := r.book.get(id)
	m := r.members.get(id)
	if _, known := r.summaries.when(c.holds.root); !known && m != nil && m.current() != nil {
		notify(m.pull)
	}
}

// hears notes what a peer said that it holds, in a comparison with us.
func (r *Replica) hears(id peer.ID, root wire.Hash) {
	r.account(id, func(h holding) holding { return h.hearing(root, time.Now(), r.summaries.when) })
}

// account changes what we know of what a peer holds, if we have a contact of it.
func (r *Replica) account(id peer.ID, change func(holding) holding) {
	news := false
	r.book.update(id, func(c *contact) {
		before := c.holds.seq
		c.holds = change(c.holds)
		news = c.holds.seq != before
	})
	if news {
		r.heard()
	}
}
