package replica

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Fault is what a peer did wrong. It is remembered for a day, of up to 64 peers for each kind of fault, and not
// across restarts.
type Fault struct {
	Kind   string    // one word of those that Faults lists, such as forged
	Text   string    // for people, behind the peer's name, such as: sends what nobody signed
	Honest bool      // an honest peer may have it, by its load, its link, its clock or by chance
	Count  uint64    // how often it was noticed
	Last   time.Time // when it was noticed last
}

// fault is a kind of fault.
type fault struct {
	kind, what string
	honest     bool
}

var (
	faultMalformed = fault{kind: "malformed", what: "sends what is malformed"}
	faultForged    = fault{kind: "forged", what: "sends what nobody signed"}
	faultContent   = fault{kind: "content", what: "sends another content than the one asked for"}
	faultEcho      = fault{kind: "echo", what: "says that it holds whatever it hears of"}
	faultVersions  = fault{kind: "versions", what: "signs new versions faster than they are taken", honest: true}
	faultQuota     = fault{kind: "quota", what: "has more in a namespace than its quota", honest: true}
	faultClock     = fault{kind: "clock", what: "signs versions of the future, by this clock", honest: true}
	faultGossip    = fault{kind: "gossip", what: "gossips faster than it is listened to", honest: true}
	faultStreams   = fault{kind: "streams", what: "opens more streams than it is served", honest: true}
	faultPromise   = fault{kind: "promise", what: "does not have what it lists", honest: true}
	faultSlow      = fault{kind: "slow", what: "does not answer in time", honest: true}
	faultMoves     = fault{kind: "moves", what: "says again and again that it is reached elsewhere", honest: true}
	faultComing    = fault{kind: "coming", what: "connects and leaves again and again", honest: true}
	faultCopies    = fault{kind: "copies", what: "is connected many times over", honest: true}
)

// kinds are all that there are, those that no honest peer has first.
var kinds = []fault{
	faultMalformed, faultForged, faultContent, faultEcho,
	faultVersions, faultQuota, faultClock, faultGossip, faultStreams, faultPromise, faultSlow, faultMoves, faultComing, faultCopies,
}

// Faults returns every kind of fault, those that no honest peer has first, and how often it was noticed of
// anybody since Start; Last is zero.
func (r *Replica) Faults() (all []Fault) {
	for _, f := range kinds {
		_, total := r.blamed.of(f.kind, time.Now())
		all = append(all, f.noticed(sighting{count: total}))
	}
	return all
}

func (f fault) noticed(s sighting) Fault {
	return Fault{Kind: f.kind, Text: f.what, Honest: f.honest, Count: s.count, Last: s.last}
}

// faults returns what each peer did wrong, in the order of the kinds.
func (r *Replica) faults() map[peer.ID][]Fault {
	all := make(map[peer.ID][]Fault)
	for _, f := range kinds {
		peers, _ := r.blamed.of(f.kind, time.Now())
		for id, s := range peers {
			all[id] = append(all[id], f.noticed(s))
		}
	}
	return all
}
