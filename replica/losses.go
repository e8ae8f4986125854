package replica

import (
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// losses is told by pubsub what it drops, and has us sync with the peer concerned. Our pulling also shows
// the peer that we differ, so that it works in both directions.
type losses struct {
	suspect func(peer.ID)
	again   func(*pubsub.Message)
}

// DropRPC: our messages to p were lost.
func (l losses) DropRPC(_ *pubsub.RPC, p peer.ID) { l.suspect(p) }

// RejectMessage: a message was lost when it was dropped unjudged.
func (l losses) RejectMessage(m *pubsub.Message, reason string) {
	if reason == pubsub.RejectValidationQueueFull || reason == pubsub.RejectValidationThrottled {
		l.suspect(m.ReceivedFrom)
	}
}

// Graft: what came before was not forwarded to p, nor to us.
func (l losses) Graft(p peer.ID, _ string) { l.suspect(p) }

// DuplicateMessage: it was not lost, but who sent it first may not give us what it tells of.
func (l losses) DuplicateMessage(m *pubsub.Message) { l.again(m) }

// The rest of pubsub.RawTracer is no loss.

func (losses) OnNewOutboundStream(peer.ID, protocol.ID)             {}
func (losses) OnClosedOutboundStream(peer.ID)                       {}
func (losses) Join(string)                                          {}
func (losses) Leave(string)                                         {}
func (losses) Prune(peer.ID, string)                                {}
func (losses) ValidateMessage(*pubsub.Message)                      {}
func (losses) DeliverMessage(*pubsub.Message)                       {}
func (losses) ThrottlePeer(peer.ID)                                 {}
func (losses) RecvRPC(*pubsub.RPC)                                  {}
func (losses) SendRPC(*pubsub.RPC, peer.ID)                         {}
func (losses) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
func (losses) UndeliverableMessage(*pubsub.Message)                 {}
