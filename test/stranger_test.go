package test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dmfs/test/harness"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// strangerTo has this program, as a process on another host, be a stranger at a relay: the relay's addresses, and
// the id of a member that has reserved there.
const strangerTo = "DMFS_TEST_STRANGER_TO"

// TestStrangerAtARelay: libp2p as it comes, on the relay's own host, which nothing hides: it can neither reserve
// nor get through to a laptop that two members are connected to, and learns of no address.
func TestStrangerAtARelay(t *testing.T) {
	nat, m := behindNAT(t, 2, true)
	relay, a, b := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	harness.Eventually(t, patience, relayed(true, a, b))
	cmd := exec.CommandContext(t.Context(), "nsenter", "--net="+nat.Hosts[0].Network(), "--",
		os.Args[0], "-test.run=^TestStranger$", "-test.v")
	cmd.Env = append(os.Environ(), strangerTo+"="+strings.Join(append(relay.Addresses(), a.ID), " "))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestStranger") {
		t.Errorf("the stranger: %v\n%s", err, out)
	}
	harness.Eventually(t, patience, func() error {
		if relay.Lines("peer is not admitted") == 0 {
			return fmt.Errorf("the relay does not say that somebody came")
		}
		return nil
	})
	harness.Eventually(t, patience, relayed(true, a, b))
}

// TestStranger is the stranger.
func TestStranger(t *testing.T) {
	words := strings.Fields(os.Getenv(strangerTo))
	if len(words) == 0 {
		t.Skip("this is a part of TestStrangerAtARelay")
	}
	for _, addr := range words[:len(words)-1] {
		knock(t, addr, words[len(words)-1])
	}
}

// knock tries what a relay is for, and then looks at what that taught.
func knock(t *testing.T, addr, laptop string) {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.EnableRelay())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	at, through := info(t, addr), info(t, addr+"/p2p-circuit/p2p/"+laptop)
	if _, err := client.Reserve(t.Context(), h, at); err == nil {
		t.Errorf("%s: it has reserved", addr)
	}
	h.Network().(*swarm.Swarm).Backoff().Clear(at.ID)
	if err := h.Connect(t.Context(), through); err == nil {
		t.Errorf("%s: it is connected to the laptop", addr)
	}
	for _, told := range []peer.AddrInfo{at, through} {
		for _, known := range h.Peerstore().Addrs(told.ID) {
			if !known.Equal(told.Addrs[0]) {
				t.Errorf("%s: it has learnt of %v", addr, known)
			}
		}
	}
	if spoken, err := h.Peerstore().GetProtocols(at.ID); err != nil || len(spoken) > 0 {
		t.Errorf("%s: it knows that the relay speaks %v, %v", addr, spoken, err)
	}
}

func info(t *testing.T, addr string) peer.AddrInfo {
	t.Helper()
	i, err := peer.AddrInfoFromString(addr)
	if err != nil {
		t.Fatal(err)
	}
	return *i
}
