//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/replica"
	"dmfs/trust"
)

// kernel looks for what a mount needs to outlive its node: Linux 6.9.
func (p *patient) kernel() finding {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return wrong(err, "")
	}
	release := unix.ByteSliceToString(name.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return doubt("", "Linux %s: not a version that dmfs can read", release)
	}
	if major < 6 || major == 6 && minor < 9 {
		return doubt("from Linux 6.9 on the mount outlives the node", "Linux %s: a restart of the node unmounts", release)
	}
	return fine("Linux %s", release)
}

func (p *patient) fuse() finding {
	f, err := os.OpenFile(fs.Device, os.O_RDWR, 0)
	if err != nil {
		return wrong(err, "load the module: modprobe fuse; in a container, pass the device in")
	}
	if err := f.Close(); err != nil {
		return wrong(err, "")
	}
	if os.Geteuid() == 0 {
		return fine("%s opens, mounting as root", fs.Device)
	}
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return wrong(err, "install fuse3, or run the node as root")
	}
	return fine("%s opens, mounting with fusermount3", fs.Device)
}

// clock asks the kernel whether somebody keeps its clock.
func (p *patient) clock() finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	const hint = "run an NTP client: the signer's clock decides which version wins"
	if err != nil {
		return doubt(hint, "%s; cannot ask the kernel whether it is kept: %v", p.now.Format(time.RFC3339), err)
	}
	const unsynchronized = 5 // TIME_ERROR of adjtimex(2)
	if state == unsynchronized {
		return doubt(hint, "%s; no time server keeps it", p.now.Format(time.RFC3339))
	}
	return fine("%s, kept by a time server", p.now.Format(time.RFC3339))
}

func (p *patient) configuration() finding {
	cfg, err := loadConfig(p.cli)
	if err != nil {
		return wrong(err, "set this machine up: dmfs init")
	}
	p.cfg = cfg
	return fine("%s", cfg.Path)
}

const (
	noConfig = "there is no configuration"
	noNode   = "no node is mounted"
)

// identity looks at the node's key, which must be its own secret.
func (p *patient) identity() finding {
	if p.cfg == nil {
		return skipped(noConfig)
	}
	info, err := os.Stat(p.cfg.IdentityKey)
	if errors.Is(err, os.ErrNotExist) {
		return fine("%s will be made at the first start", p.cfg.IdentityKey)
	}
	if err != nil {
		return wrong(err, "run the doctor as the user who runs the node")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return wrong(fmt.Errorf("%s has mode %#o: others can read it", p.cfg.IdentityKey, mode), "chmod 600 "+p.cfg.IdentityKey)
	}
	signer, err := trust.ReadSigner(p.cfg.IdentityKey, noPassphrase)
	if err != nil {
		return wrong(fmt.Errorf("%s: %w", p.cfg.IdentityKey, err), "")
	}
	return fine("peer id %s", replica.PeerID(signer.Public().Key))
}

// member looks at the certificate by the configuration's policy.
func (p *patient) member() finding {
	switch {
	case p.cfg == nil:
		return skipped(noConfig)
	case !p.cfg.HasNetwork():
		return doubt("make a network: dmfs init", "no network: whoever reaches the listen address may connect")
	}
	chain, err := readChain(p.cfg.IdentityCert)
	if err != nil {
		return wrong(err, "dmfs certificate sign, where the network's key is, and bring it here")
	}
	if signer, err := trust.ReadSigner(p.cfg.IdentityKey, noPassphrase); err == nil && signer.Public().Key != chain.Key() {
		return wrong(fmt.Errorf("%s is for another key", p.cfg.IdentityCert), "sign one with --identity-key "+signer.Public().Key.String())
	}
	m, err := p.cfg.Policy.VerifyMember(chain, p.now)
	if err != nil {
		return wrong(fmt.Errorf("%s: %w", p.cfg.IdentityCert, err), renewHint)
	}
	if text := lastDays(&certificate{Name: m.Name, NotBefore: m.NotBefore, NotAfter: m.NotAfter}, p.now); text != "" {
		return doubt(renewHint, "%s", text)
	}
	return fine("%s until %s", m.Name, m.NotAfter.UTC().Format(time.RFC3339))
}

// mount looks whether a node answers.
func (p *patient) mount() finding {
	if p.cfg == nil {
		return skipped(noConfig)
	}
	m, err := findMount(p.cli)
	if err != nil {
		return wrong(err, "")
	}
	p.page = &m.page
	return fine("%s, by dmfs %s for %s", m.page.Mountpoint, m.page.Version, p.now.Sub(m.page.Started).Round(time.Second))
}

func (p *patient) network() finding {
	switch {
	case p.page == nil:
		return skipped(noNode)
	case len(p.page.Addresses) == 0:
		return wrong(errors.New("the node is not on the network"), "its log says why: journalctl -u dmfs")
	case len(p.page.NotListening) > 0:
		return doubt("free the port, or correct listen and interfaces; the node tries again by itself", "%s", p.page.NotListening[0])
	case len(p.page.Peers) == 0:
		return doubt("bootstrap_peers in the configuration name the nodes to meet first; `dmfs status` of another node prints its addresses",
			"listening, and no other node is known")
	}
	n := connected(p.page.Peers)
	if n == 0 {
		return wrong(fmt.Errorf("none of %d peers is connected", len(p.page.Peers)), "is the port of listen open in the firewall, for UDP and TCP?")
	}
	return fine("%d of %d peers connected", n, len(p.page.Peers))
}

func (p *patient) policy() finding {
	switch {
	case p.page == nil:
		return skipped(noNode)
	case len(p.page.Overruled) > 0:
		return doubt("remove them from policy.toml or from the configuration", "the configuration overrules %d entries of policy.toml", len(p.page.Overruled))
	case len(p.page.Warnings) > 0:
		return doubt("", "%s", p.page.Warnings[len(p.page.Warnings)-1].Text)
	}
	return fine("files: %d; refused lately: %d", p.page.Files, len(p.page.Refused))
}
