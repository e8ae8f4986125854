package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A change comes as a link, an address, and then routes.
const (
	quiet   = 50 * time.Millisecond  // without another message, for it to be over
	restive = 500 * time.Millisecond // and then it is told all the same
)

// WatchMachine is for Config.Watch. It hears from the kernel of new and lost addresses and default routes, and
// of the clock being set, as it is when the machine wakes up. It returns an error when it cannot.
func WatchMachine(ctx context.Context, changed func()) error {
	routes, err := openRoutes()
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	clock, err := openClock()
	if err != nil {
		return errors.Join(fmt.Errorf("timerfd: %w", err), routes.Close())
	}
	defer context.AfterFunc(ctx, func() { routes.Close(); clock.Close() })()
	woken := make(chan error, 1)
	go func() { woken <- watchClock(clock, changed) }()
	err = watchRoutes(routes, changed)
	return errors.Join(err, clock.Close(), <-woken)
}

// openRoutes returns a socket that has a message for each change of links, addresses and routes.
func openRoutes() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	groups := unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: uint32(groups)}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// watchRoutes tells of changes until the socket is closed. What repeats what was known is none: routers
// announce themselves all the time.
func watchRoutes(routes *os.File, changed func()) error {
	buf := make([]byte, 64<<10)
	known := addresses()
	for {
		routed, err := readRoutes(routes, buf, time.Time{})
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		for begun := time.Now(); err == nil && time.Since(begun) < restive; {
			var more bool
			more, err = readRoutes(routes, buf, time.Now().Add(quiet))
			routed = routed || more
		}
		if now := addresses(); routed || !slices.Equal(now, known) {
			known = now
			changed()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return closed(err)
		}
	}
}

func closed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// addresses returns what places says, for comparison.
func addresses() (all []string) {
	here, err := places()
	if err != nil {
		return nil
	}
	for _, p := range here {
		all = append(all, p.name+" "+p.ip.String())
	}
	slices.Sort(all)
	return all
}

// readRoutes reads messages, and reports whether one is of a default route, or some were lost.
func readRoutes(routes *os.File, buf []byte, until time.Time) (routed bool, err error) {
	if err := routes.SetReadDeadline(until); err != nil {
		return false, err
	}
	n, err := routes.Read(buf)
	if errors.Is(err, unix.ENOBUFS) {
		return true, nil
	}
	for rest := buf[:max(n, 0)]; len(rest) >= unix.SizeofNlMsghdr; {
		length, kind := binary.NativeEndian.Uint32(rest), binary.NativeEndian.Uint16(rest[4:])
		if length < unix.SizeofNlMsghdr || int(length) > len(rest) {
			break
		}
		body := rest[unix.SizeofNlMsghdr:length]
		const bits = 1 // of the destination, in struct rtmsg
		if (kind == unix.RTM_NEWROUTE || kind == unix.RTM_DELROUTE) && len(body) >= unix.SizeofRtMsg && body[bits] == 0 {
			routed = true
		}
		rest = rest[min(len(rest), int(length+3)&^3):]
	}
	return routed, err
}

// openClock returns a timer that ends when the clock is set.
func openClock() (*os.File, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	if err := armClock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func armClock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	never := unix.ItimerSpec{Value: unix.NsecToTimespec(1<<63 - 1)}
	set := raw.Control(func(fd uintptr) {
		err = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil)
	})
	return errors.Join(set, err)
}

// watchClock tells of each time that the clock is set, until the timer is closed.
func watchClock(clock *os.File, changed func()) error {
	var expired [8]byte
	for {
		_, err := clock.Read(expired[:])
		if err != nil && !errors.Is(err, unix.ECANCELED) {
			return closed(err)
		}
		if err := armClock(clock); err != nil {
			return closed(err)
		}
		changed() // only now: what happens meanwhile is told, too
	}
}
