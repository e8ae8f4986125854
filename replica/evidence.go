package replica

import (
	"crypto/sha256"
	"errors"
	"slices"

	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxPieces bounds what is remembered of who sent what of a content; what is beyond it names nobody.
const maxPieces = 1024

// piece is what a peer has sent of a content, in one go.
type piece struct {
	from peer.ID
	span
}

// evidence is who sent what of a content that proved to be wrong, and which sizes were offered, without the
// content, so that it takes no memory of that kind while another one comes.
type evidence struct {
	pieces []piece
	sums   [][sha256.Size]byte // of the pieces
	sizes  map[peer.ID]int
}

// evidence returns what there is against those who have sent the part, unless that was one, who is accused then.
func (p *part) evidence() (e evidence) {
	_, alone := p.sole()
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.sizes = p.sizes; alone {
		return e
	}
	e.pieces = p.pieces
	for _, s := range p.pieces {
		e.sums = append(e.sums, sha256.Sum256(p.content[s.at:s.end]))
	}
	return e
}

// liars returns those whose word was wrong, by the content that was asked for.
func (e evidence) liars(content []byte) (ids []peer.ID) {
	accuse := func(id peer.ID) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for id, size := range e.sizes {
		if size != len(content) {
			accuse(id)
		}
	}
	for i, s := range e.pieces {
		if s.end <= len(content) && sha256.Sum256(content[s.at:s.end]) != e.sums[i] {
			accuse(s.from)
		}
	}
	return ids
}

// sole returns who has sent all that is here, if it was one peer.
func (p *part) sole() (id peer.ID, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := 0
	for _, s := range p.pieces {
		if sent += s.end - s.at; s.from != p.pieces[0].from {
			return "", false
		}
	}
	if sent == 0 || sent < len(p.content) {
		return "", false
	}
	return p.pieces[0].from, true
}

// note remembers who sent the next bytes. The caller holds mu.
func (p *part) note(sent piece) {
	for i := range p.pieces {
		if last := &p.pieces[i]; last.from == sent.from && last.end == sent.at {
			last.end = sent.end
			return
		}
	}
	if len(p.pieces) < maxPieces {
		p.pieces = append(p.pieces, sent)
	}
}

// complete proves what has come. One peer that sent all of it is to blame when it is wrong.
func (j *jointFetch) complete() (trust.Record, error) {
	whole, err := complete(j.rec, j.part.content)
	if errors.Is(err, trust.ErrMismatch) {
		if id, ok := j.part.sole(); ok {
			j.accuse(err, id)
		}
	}
	return whole, err
}

// accuse blames peers for other bytes than those that they were asked for, and asks others first for a while.
func (j *jointFetch) accuse(err error, ids ...peer.ID) {
	for _, id := range ids {
		j.r.blameFor(id, err)
		if m := j.r.members.get(id); m != nil {
			m.avoid()
		}
	}
}
