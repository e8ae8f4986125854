package harness

import (
	"errors"
	"net"
	"os"
	"strings"
)

// readiness is the socket at which a service manager is told, by $NOTIFY_SOCKET.
type readiness struct {
	path string
	conn *net.UnixConn
	said chan struct{} // closed at READY=1
}

func listenReady(path string) (*readiness, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	r := &readiness{path: path, conn: conn, said: make(chan struct{})}
	go r.listen()
	return r, nil
}

// listen ends when the socket is closed.
func (r *readiness) listen() {
	message := make([]byte, 4096)
	for ready := false; ; {
		n, err := r.conn.Read(message)
		if err != nil {
			return
		}
		if strings.Contains(string(message[:n]), "READY=1") && !ready {
			ready = true
			close(r.said)
		}
	}
}

func (r *readiness) close() { _ = r.conn.Close() } //nolint:errcheck // nobody sends any more
