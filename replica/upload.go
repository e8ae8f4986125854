package replica

import (
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// serveFetch serves what the summary shows, and remembers who asked for anything else.
func (r *Replica) serveFetch(x *exchange) error {
	ask, err := expect[wire.Ask](x, wire.MaxRequest, answerWithin)
	if err != nil {
		return err
	}
	e, ok := r.offers(x, ask)
	if !ok {
		return x.send(wire.Offer{})
	}
	if err := x.put(wire.Offer{Held: true, Size: uint32(e.Size)}); err != nil {
		return err
	}
	return r.upload(x, ask.Digest, int64(ask.From), e.Size)
}

func (r *Replica) upload(x *exchange, d trust.Digest, at, size int64) error {
	buf := make([]byte, min(size, chunk))
	for ; at < size; at += int64(len(buf)) {
		buf = buf[:min(size-at, chunk)]
		if n, err := r.ix.ReadAt(d, buf, at); n < len(buf) {
			return err
		}
		if err := x.stream.SetWriteDeadline(time.Now().Add(stepWithin)); err != nil {
			return err
		}
		if _, err := x.w.Write(buf); err != nil {
			return err
		}
		x.heard()
	}
	return x.flush()
}
