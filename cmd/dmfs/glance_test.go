//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"dmfs/replica"
)

// crowd is the page of a node that knows 300 members with the longest names, of which 12 are connected and
// some are behind or not known, and some misbehave.
func crowd(now time.Time) page {
	p := page{Version: "v1.2.3", Mountpoint: "/run/data-mesher", PeerID: strings.Repeat("i", 52), Started: now, Seq: 1000}
	for i := range 300 {
		end := now.Add(time.Duration(i) * daily / 2)
		peer := pagePeer{
			ID: fmt.Sprintf("12D3KooW%044d", i), Name: strings.Repeat("n", 60) + fmt.Sprintf("%04d", i), NotAfter: &end,
			Address: fmt.Sprintf("/ip6/2001:db8:1234:5678:9abc:def0:1234:%04x/udp/7946/quic-v1", i), Agent: "dmfs/v1.2.3",
			Connected: i < 12, InSync: i < 9, Seen: now.Add(-time.Duration(i) * time.Hour), Seq: 1000, RTT: time.Millisecond,
		}
		switch {
		case i >= 280:
			peer.Behind, peer.Seen = -1, time.Time{}
		case i%20 == 10:
			peer.Behind = 100 + i
		}
		if i%10 == 5 {
			peer.Faults = describeFaults([]replica.Fault{
				{Kind: "forged", Text: "sends what nobody signed", Count: uint64(i), Last: now.Add(-3 * time.Second)},
				{Kind: "slow", Text: "does not answer in time", Honest: true, Count: 1, Last: now.Add(-time.Duration(i) * time.Minute)},
			})
		}
		p.Peers = append(p.Peers, peer)
	}
	for i := range 256 {
		p.Refused = append(p.Refused, pageRefused{Name: strings.Repeat("d/", 30), Origin: p.Peers[i].ID, At: now, Reason: strings.Repeat("reason ", 30)})
	}
	return p
}

// TestStatusOfACrowdIsAGlance: it fits a screen, and nothing is said by a colour.
func TestStatusOfACrowdIsAGlance(t *testing.T) {
	now := time.Now()
	p := crowd(now)
	var b bytes.Buffer
	printPage(&b, p, now)
	if lines := strings.Count(b.String(), "\n"); lines > 120 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{
		"peers       266 of 300 in sync, 12 connected\n",
		"            " + strings.Repeat("n", 21) + "… (00000010) differs, 110 files behind\n",
		"            " + strings.Repeat("n", 21) + "… (00000015) misbehaves: sends what nobody\n            signed (15 times, last 3 s ago)\n", "and 26 more: dmfs peers lists all\n",
		"away for 1 day, 130 files behind\n", "refused     246 earlier ones: --json has all\n", "and 24 more: dmfs peers lists all\n", "and 10 more: dmfs peers lists all\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for _, peer := range p.Peers {
		printPeer(&b, peer, "at "+peer.Address, now)
	}
	for _, want := range []string{"away, not seen yet", "\n  may misbehave: does not answer in time (once, 2 hours ago)\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no peer has %q", want)
		}
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 || strings.Contains(line, "\x1b") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// BenchmarkStatusOfACrowd is what the node and the command do for `dmfs status` beside the programs' start.
func BenchmarkStatusOfACrowd(b *testing.B) {
	p := crowd(time.Now())
	for b.Loop() {
		text, err := renderPage(p)
		var read page
		if err == nil {
			err = json.Unmarshal(text, &read)
		}
		if err != nil {
			b.Fatal(err)
		}
		printPage(&bytes.Buffer{}, read, time.Now())
	}
}
