// Command hostile attacks the nodes of a network as one of its members, until its standard input ends. Each line
// that it prints is how often it has done what the attack is about. The attack "all" is one after the other, each
// for a second, and again. The attack "busy" is none: it keeps all processors busy and connects to nobody, which
// shows how much of the harm is done by sharing a machine with such a program.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"dmfs/replica/hostiletest"
	"dmfs/trust"
)

// aWhile is how long each attack takes when all are asked for.
const aWhile = time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	identity := flags.String("identity", "", "the `FILE` of its identity key")
	certificate := flags.String("certificate", "", "the `FILE` of its certificate; none without")
	id := flags.String("network", "", "the network's `KEY`")
	namespace := flags.String("namespace", "telemetry", "a `NAMESPACE` of the network")
	names := flags.String("names", "", "`NAMES` of files, separated by commas")
	nodes := flags.String("nodes", "", "multiaddrs of whom to attack, separated by commas")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("name one attack: all, busy, %s", strings.Join(hostiletest.Attacks(), ", "))
	}
	cfg := hostiletest.Config{Namespace: *namespace, Names: strings.Split(*names, ","), Nodes: strings.Split(*nodes, ",")}
	if err := prove(&cfg, *identity, *certificate, *id); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return attack(ctx, cfg, flags.Arg(0))
}

// prove reads what the member has to show.
func prove(cfg *hostiletest.Config, identity, certificate, id string) (err error) {
	if cfg.Identity, err = trust.ReadSigner(identity, nil); err != nil {
		return err
	}
	network, err := trust.ReadKey(id)
	if err != nil || certificate == "" {
		cfg.Network = network.Key
		return err
	}
	cfg.Network = network.Key
	text, err := os.ReadFile(certificate)
	if err == nil {
		cfg.Chain, err = trust.ParseChain(text)
	}
	return err
}

func attack(ctx context.Context, cfg hostiletest.Config, name string) error {
	switch name {
	case "busy":
		return spin(ctx)
	case "all":
	default:
		return one(ctx, cfg, name)
	}
	for ctx.Err() == nil {
		for _, name := range hostiletest.Attacks() {
			within, cancel := context.WithTimeout(ctx, aWhile)
			err := one(within, cfg, name)
			cancel()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// one does one attack, and tells of it.
func one(ctx context.Context, cfg hostiletest.Config, name string) error {
	m, err := hostiletest.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- m.Attack(ctx, name)
	}()
	tell(ctx, m.Acts)
	_ = m.Close() // nobody needs to be told
	return <-ended
}

// spin keeps every processor busy.
func spin(ctx context.Context) error {
	var rounds atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for ctx.Err() == nil {
				rounds.Add(1)
			}
		}()
	}
	tell(ctx, rounds.Load)
	return nil
}

// tell says ten times a second how much was done, until the context ends.
func tell(ctx context.Context, done func() int64) {
	ticker := time.NewTicker(time.Second / 10)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			fmt.Println(done())
		}
	}
}
