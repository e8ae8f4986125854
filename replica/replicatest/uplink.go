package replicatest

import "time"

const (
	headerBytes  = 28                     // of UDP and IP, on top of what a datagram holds
	longestQueue = 200 * time.Millisecond // of an uplink; what comes when it is that long is lost
)

// uplink is how a machine sends: everything through one queue.
type uplink struct {
	rate int       // bytes a second; 0: any
	idle time.Time // when the queue is empty
	told Traffic   // to the network
}

// Traffic is what a machine has sent.
type Traffic struct{ Datagrams, Bytes int }

// setUplink has a machine send no faster than so many bytes a second.
func (l *Links) setUplink(number, rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uplink(number).rate = rate
}

// sent returns what a machine has sent since the beginning, with the headers of UDP and IP.
func (l *Links) sent(number int) Traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uplink(number).told
}

// uplink returns a machine's uplink; the caller holds mu.
func (l *Links) uplink(number int) *uplink {
	if l.uplinks == nil {
		l.uplinks = make(map[int]*uplink)
	}
	if l.uplinks[number] == nil {
		l.uplinks[number] = &uplink{}
	}
	return l.uplinks[number]
}

// queue says how long a datagram waits until it has left, and whether it is lost instead.
func (l *Links) queue(number, bytes int) (wait time.Duration, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, now := l.uplink(number), time.Now()
	bytes += headerBytes
	u.told.Datagrams++
	u.told.Bytes += bytes
	if u.rate == 0 {
		return 0, false
	}
	if u.idle.Before(now) {
		u.idle = now
	}
	if u.idle.Sub(now) > longestQueue {
		return 0, true
	}
	u.idle = u.idle.Add(time.Duration(bytes) * time.Second / time.Duration(u.rate))
	return u.idle.Sub(now), false
}
