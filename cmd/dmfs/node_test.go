//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
)

// TestNotify receives what systemd would.
func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	for _, address := range []string{path, "@" + path} {
		t.Setenv("NOTIFY_SOCKET", address)
		name := address
		if address[0] == '@' {
			name = "\x00" + address[1:]
		}
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := notify("READY=1"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64)
		if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
			t.Errorf("%s: received %q, %v", address, buf[:n], err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := notify("READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
}

// TestIdentityIsMadeOnce: a node keeps its key, and the key stays private.
func TestIdentityIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.key")
	first, err := identity(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := identity(path)
	if err != nil || again.Public() != first.Public() {
		t.Errorf("second start: %v, %v", again, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := identity(path); err == nil {
		t.Error("a damaged key was accepted")
	}
	if text, _ := os.ReadFile(path); string(text) != "damaged" {
		t.Error("a damaged key was replaced")
	}
}

// TestPageFieldsAreStable: scripts read these names.
func TestPageFieldsAreStable(t *testing.T) {
	hasFields(t, page{Peers: []pagePeer{{}}, Refused: []pageRefused{{Hint: "x"}}, Warnings: []pageWarning{{}}},
		"warnings", "text", "clock_behind_ns", "not_listening", "relay",
		"version", "peer_id", "addresses", "mountpoint", "started", "network", "seq", "files", "bytes", "peers", "refused",
		"id", "address", "agent", "connected", "since", "in_sync", "last_sync", "rtt_ns", "seq_at", "behind", "seen_at", "not_after", "name", "origin", "reason", "hint", "at")
	hasFields(t, peerList{Peers: []pagePeer{{}}}, "peer_id", "addresses", "peers", "id", "connected", "in_sync")
	hasFields(t, fileList{Files: []listed{{Expires: moment(time.Now())}}},
		"seq", "files", "name", "signer", "signed_at", "size", "digest", "expires", "origin", "since", "state")
}

func hasFields(t *testing.T, page any, fields ...string) {
	t.Helper()
	text, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		if !strings.Contains(string(text), fmt.Sprintf("%q:", field)) {
			t.Errorf("no field %s in %s", field, text)
		}
	}
}

func TestStatusFitsEightyColumns(t *testing.T) {
	const id = "12D3KooWN3AK5ywx97Um3JzANRTmr4YbtzYfvoS1pZS7sPqThqku"
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	p := page{
		Version: "v1.2.3", PeerID: id, Mountpoint: "/run/data-mesher", Started: now.Add(-time.Hour),
		Network:   "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=",
		Addresses: []string{"/ip4/192.168.100.100/udp/7946/quic-v1/p2p/" + id},
		Peers:     []pagePeer{{ID: id, Connected: true, InSync: true, LastSync: now.Add(-time.Second)}, {ID: id, Behind: -1}},
		Refused:   []pageRefused{{Name: "config.json", Origin: "mount", At: now, Reason: "config.json: " + strings.Repeat("many words ", 20)}},
	}
	var b strings.Builder
	printPage(&b, p, now)
	for line := range strings.Lines(b.String()) {
		if len(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	for _, want := range []string{"1 of 2 in sync, 1 connected", id + " away", "config.json, from mount at 2026-11-23 12:00:00: many words"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestTimestamps(t *testing.T) {
	for text, want := range map[string]trust.Version{
		"1795383073":                     1795383073000000000,
		"1795383073.5":                   1795383073500000000,
		"1795383073.441681534":           1795383073441681534,
		"0.000000001":                    1,
		"2026-11-22T21:31:13.441681534Z": 1795383073441681534,
		"2026-11-22T22:31:13+01:00":      1795383073000000000,
	} {
		if got, err := parseTimestamp(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "now", "1.x", "1.0123456789", "9223372037", "1969-12-31T23:59:59Z", "3000-01-01T00:00:00Z"} {
		if got, err := parseTimestamp(text); err == nil || codeOf(err) != exitUsage {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

// TestErrorsKeepCodeAndHint through every way to wrap them.
func TestErrorsKeepCodeAndHint(t *testing.T) {
	inner := fail(exitRefused, "do this", "refused")
	refusal := &trust.Refusal{Err: trust.ErrName, Detail: "bad name", Hint: "another name"}
	for _, test := range []struct {
		name string
		err  error
		code int
		hint string
	}{
		{"plain", errors.New("x"), exitFailed, ""},
		{"another program's exit code is not ours", fmt.Errorf("cp: %w", &exec.ExitError{}), exitFailed, ""},
		{"failure", inner, exitRefused, "do this"},
		{"wrapped", fmt.Errorf("more: %w", inner), exitRefused, "do this"},
		{"joined", errors.Join(errors.New("x"), inner), exitRefused, "do this"},
		{"refusal", fmt.Errorf("more: %w", refusal), exitFailed, "another name"},
		{"the outer hint wins", fail(exitUsage, "outer", "more: %w", inner), exitUsage, "outer"},
		{"an empty hint does not", fail(exitUsage, "", "more: %w", refusal), exitUsage, "another name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if code, hint := codeOf(test.err), hintOf(test.err); code != test.code || hint != test.hint {
				t.Errorf("code %d, hint %q; want %d, %q", code, hint, test.code, test.hint)
			}
		})
	}
}
