package replica

import (
	"io"
	"sync/atomic"
)

// traffic counts the bytes on our own streams.
type traffic struct{ in, out atomic.Uint64 }

// Traffic returns how many bytes came in and went out since the start on our own streams: those of sync, of
// fetched contents, and of what members tell each other about members. Gossip, handshakes and what encryption
// adds are not among them.
func (r *Replica) Traffic() (in, out uint64) { return r.traffic.in.Load(), r.traffic.out.Load() }

type countedReader struct {
	io.Reader
	count *atomic.Uint64
}

func (c countedReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.count.Add(uint64(n))
	return n, err
}

type countedWriter struct {
	io.Writer
	count *atomic.Uint64
}

func (c countedWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.count.Add(uint64(n))
	return n, err
}

func (t *traffic) reader(r io.Reader) io.Reader { return countedReader{r, &t.in} }
func (t *traffic) writer(w io.Writer) io.Writer { return countedWriter{w, &t.out} }
