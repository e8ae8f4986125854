package replica

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	handshakeTimeout = 3 * time.Second // from the encrypted connection to both verdicts
	farewellTimeout  = time.Second     // for somebody refused to read why
	maxShaking       = 256             // handshakes at once that others began, each of some 0.8 MiB at most
	maxShakingOfOne  = 16              // of them from one IPv4 address or IPv6 /56
	maxRoll          = 4096            // members remembered before the absent ones are forgotten
)

var errOtherKey = errors.New("the certificate is of another key")

// admission decides who may connect, and keeps the roll of those who did. Without a network there is
// none (nil): anybody may.
type admission struct {
	ctx         context.Context // ended by Close
	self        trust.Key
	security    protocol.ID
	certificate func() trust.Chain // ours, now
	policy      func() *trust.Policy
	log         *slog.Logger
	told        *told
	efforts     *efforts
	shaking     *limiter[string]
	admitted    func(trust.Chain) // called with each certificate accepted

	mu   sync.Mutex
	roll map[peer.ID]proof
}

// proof is the certificate by which a peer is or was a member, what it says under a policy, and which of
// ours the peer was shown.
type proof struct {
	chain  trust.Chain
	member trust.Member
	policy *trust.Policy
	fault  error // why it is no member's any more under the policy
	shown  trust.Chain
}

// newAdmission also sees to it that our own certificate is one of this network's for our key. One that
// is over or revoked is no error: it may be renewed while we run.
func newAdmission(ctx context.Context, cfg Config, e *efforts, ix *index.Index) (*admission, error) {
	if cfg.Network.IsZero() || cfg.Certificate == nil {
		return nil, nil
	}
	if got := ix.Policy().Network(); got != cfg.Network {
		return nil, fmt.Errorf("the policy is for network %s, not for %s", got, cfg.Network)
	}
	if len(cfg.Identity) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("identity key: %d bytes", len(cfg.Identity))
	}
	a := &admission{
		ctx:         ctx,
		self:        trust.Key(cfg.Identity.Public().(ed25519.PublicKey)),
		security:    protocol.ID("/dmfs/" + idOf(cfg.Network) + "/noise/1"),
		certificate: cfg.Certificate,
		policy:      ix.Policy,
		log:         cfg.Log,
		told:        &told{},
		efforts:     e,
		shaking:     newLimiter[string](maxShakingOfOne, maxShaking),
		roll:        make(map[peer.ID]proof),
	}
	_, err := a.own(a.certificate())
	if reason := reasonOf(err); reason == wire.NotOfNetwork || reason == wire.Malformed || reason == wire.OtherKey {
		return nil, fmt.Errorf("this node's certificate: %w", err)
	}
	return a, nil
}

// own judges our own certificate.
func (a *admission) own(chain trust.Chain) (trust.Member, error) {
	if chain.IsZero() || chain.Key() == a.self {
		return a.policy().VerifyMember(chain, time.Now())
	}
	return trust.Member{}, errOtherKey
}

// judge proves that a peer, whose key is proved already, is a member, and takes it on the roll.
func (a *admission) judge(id peer.ID, der []byte) error {
	p, err := a.prove(id, der)
	if err == nil {
		a.enrol(id, p)
		a.admitted(p.chain)
	}
	return err
}

// enrol takes a proof on the roll, unless the peer has shown a certificate that is valid longer: what
// comes last need not have been sent last.
func (a *admission) enrol(id peer.ID, p proof) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.roll[id]
	if last.policy == p.policy && last.fault == nil && last.member.NotAfter.After(p.member.NotAfter) {
		return
	}
	p.shown = last.shown
	a.roll[id] = p
}

func (a *admission) prove(id peer.ID, der []byte) (p proof, err error) {
	if len(der) > 0 {
		if p.chain, err = trust.ParseChainDER(der); err != nil {
			return p, err
		}
	}
	if key, ok := keyOf(id); !p.chain.IsZero() && (!ok || p.chain.Key() != key) {
		return p, errOtherKey
	}
	p.policy = a.policy()
	p.member, err = p.policy.VerifyMember(p.chain, time.Now())
	return p, err
}

// keyOf returns a peer's public key, which its id contains.
func keyOf(id peer.ID) (k trust.Key, ok bool) {
	pub, err := id.ExtractPublicKey()
	if err != nil || pub.Type() != crypto.Ed25519 {
		return k, false
	}
	raw, err := pub.Raw()
	return k, err == nil && copy(k[:], raw) == len(k)
}

// reasonOf puts into one word why somebody is not admitted.
func reasonOf(err error) wire.Reason {
	switch {
	case err == nil:
		return wire.Admitted
	case errors.Is(err, errOtherKey):
		return wire.OtherKey
	case errors.Is(err, trust.ErrRevoked):
		return wire.Revoked
	case errors.Is(err, trust.ErrExpired):
		return wire.Expired
	case errors.Is(err, trust.ErrFuture):
		return wire.NotYetValid
	case errors.Is(err, trust.ErrUnknownKey):
		return wire.NotOfNetwork
	}
	return wire.Malformed
}

// known returns what the certificate of a peer says, as far as we were shown one.
func (a *admission) known(id peer.ID) trust.Member {
	if a == nil {
		return trust.Member{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.roll[id].member
}

// still reports whether a peer that was admitted is a member now. Without a network everybody is.
func (a *admission) still(id peer.ID) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	p, ok := a.roll[id]
	a.mu.Unlock()
	if !ok {
		return errNoProof
	}
	policy, now := a.policy(), time.Now()
	if p.policy == policy && (p.fault != nil || now.Before(p.member.NotAfter)) {
		return p.fault
	}
	member, err := policy.VerifyMember(p.chain, now)
	a.mu.Lock()
	defer a.mu.Unlock()
	latest := a.roll[id]
	if !bytes.Equal(latest.chain.DER(), p.chain.DER()) {
		return nil // it was renewed this very moment, and judged for that
	}
	latest.policy, latest.fault = policy, err
	if err == nil {
		latest.member = member
	}
	a.roll[id] = latest
	return err
}

// onRoll returns whom the roll lists. When it is long, those who are not present are struck off.
func (a *admission) onRoll(present func(peer.ID) bool) []peer.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := make([]peer.ID, 0, len(a.roll))
	long := len(a.roll) > maxRoll
	for id := range a.roll {
		if long && !present(id) {
			delete(a.roll, id)
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// show notes that a peer is shown a certificate of ours, and reports whether that is news.
func (a *admission) show(id peer.ID, c trust.Chain) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.roll[id]
	if !ok || bytes.Equal(p.shown.DER(), c.DER()) {
		return false
	}
	p.shown = c
	a.roll[id] = p
	return true
}
