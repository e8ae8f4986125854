// Command hostile attacks the nodes of a network as one of its members, until its standard input ends. Each line
// that it prints is how often it has done what the attack is about. The attack "all" is one after the other, each
// for a second, and again.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
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
		return fmt.Errorf("name one attack: all, %s", strings.Join(hostiletest.Attacks(), ", "))
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
	if name != "all" {
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

// one does one attack, and says ten times a second what it has done.
func one(ctx context.Context, cfg hostiletest.Config, name string) error {
	m, err := hostiletest.New(cfg)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(time.Second / 10)
	defer ticker.Stop()
	ended := make(chan error, 1)
	go func() { ended <- m.Attack(ctx, name) }()
	for {
		select {
		case err := <-ended:
			_ = m.Close() // nobody needs to be told
			return err
		case <-ticker.C:
			fmt.Println(m.Acts())
		}
	}
}
