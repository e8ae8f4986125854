//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

const daily = 24 * time.Hour

// endsSoon says when the end of a certificate is warned about: in its last 30
// days, or in the last third if it is that short.
func endsSoon(x *certificate, now time.Time) bool {
	return x.NotAfter.Sub(now) <= min(30*daily, x.NotAfter.Sub(x.NotBefore)/3)
}

// A credential is the certificate that makes this node a member, as its file
// has it. Without a network it is none, and nobody asks for it.
type credential struct {
	key   trust.Key // the node's own
	index *index.Index
	log   *slog.Logger

	mu     sync.Mutex
	path   string // "": no network
	held   trust.Chain
	fault  error         // what is wrong with the file as it is now
	warned time.Time     // when its end was last warned about
	news   chan struct{} // closed when held or path changes
}

func newCredential(key trust.Key, ix *index.Index, log *slog.Logger) *credential {
	return &credential{key: key, index: ix, log: log, news: make(chan struct{})}
}

// chain is what the node shows to others; zero when it has nothing to show.
func (c *credential) chain() trust.Chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// missing says why there is nothing to show.
func (c *credential) missing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held.IsZero() {
		return c.fault
	}
	return nil
}

// changed returns a channel that is closed at the next change.
func (c *credential) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.news
}

// certificate describes what the node shows; nil for nothing.
func (c *credential) certificate() *certificate {
	chain := c.chain()
	if chain.IsZero() {
		return nil
	}
	all, err := describeChain(chain)
	if err != nil {
		return nil
	}
	return &all[0]
}

// point has the file be another one.
func (c *credential) point(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path != path {
		c.path, c.held = path, trust.Chain{}
		c.announce()
	}
}

// announce is called with mu held.
func (c *credential) announce() {
	close(c.news)
	c.news = make(chan struct{})
}

// read takes what the file says now and reports whether that is another
// certificate than before. One that cannot be used leaves the old one.
func (c *credential) read() bool {
	path := c.file()
	if path == "" {
		return false
	}
	chain, err := c.examine(path)
	another := c.take(path, chain, err)
	if another {
		c.learn(chain)
	}
	c.warn(time.Now())
	return another
}

func (c *credential) file() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

// take notes what was found at path, and logs a fault once.
func (c *credential) take(path string, chain trust.Chain, fault error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path != path { // pointed elsewhere meanwhile
		return false
	}
	if fault != nil && (c.fault == nil || c.fault.Error() != fault.Error()) {
		c.log.Error("the certificate was not taken", "err", fault, "hint", hintOf(fault))
	}
	c.fault = fault
	if fault != nil || bytes.Equal(chain.DER(), c.held.DER()) {
		return false
	}
	c.held, c.warned = chain, time.Time{}
	c.announce()
	return true
}

// examine reads a certificate that a member may show: one that is over, not yet
// valid or revoked is shown all the same, as others say why they refuse it.
func (c *credential) examine(path string) (trust.Chain, error) {
	chain, err := readChain(path)
	if errors.Is(err, fs.ErrNotExist) {
		return chain, fail(exitFailed, "dmfs certificate sign --name NAME --network-key FILE --identity-key "+c.key.String()+" --output "+path,
			"the node is no member: no certificate at %s", path)
	}
	if err != nil {
		return chain, err
	}
	if chain.Key() != c.key {
		return chain, fail(exitFailed, "sign one with --identity-key "+c.key.String(), "%s is for another key, %s", path, chain.Key())
	}
	_, err = c.index.Policy().VerifyMember(chain, time.Now())
	if errors.Is(err, trust.ErrExpired) || errors.Is(err, trust.ErrFuture) || errors.Is(err, trust.ErrRevoked) {
		return chain, nil
	}
	if err != nil {
		return chain, fmt.Errorf("%s: %w", path, err)
	}
	return chain, nil
}

// learn has the index know the certificate, for what the node signs itself.
func (c *credential) learn(chain trust.Chain) {
	err := c.index.Learn(chain)
	if errors.Is(err, trust.ErrExpired) {
		return // see warn
	}
	if err != nil {
		c.log.Warn("others refuse this node's certificate", "err", err, "hint", hintOf(err))
		return
	}
	if x := c.certificate(); x != nil {
		c.log.Info("member", "name", x.Name, "until", x.NotAfter, "serial", x.Serial)
	}
}

// warn logs that the certificate will soon be over, once a day.
func (c *credential) warn(now time.Time) {
	text := lastDays(c.certificate(), now)
	c.mu.Lock()
	due := text != "" && now.Sub(c.warned) >= daily
	if due {
		c.warned = now
	}
	c.mu.Unlock()
	if due {
		c.log.Warn(text, "hint", renewHint)
	}
}

// warnings are sentences about what is wrong with being a member now.
func (c *credential) warnings(now time.Time) (all []string) {
	c.mu.Lock()
	fault := c.fault
	c.mu.Unlock()
	if fault != nil {
		all = append(all, fault.Error())
	}
	if text := lastDays(c.certificate(), now); text != "" {
		all = append(all, text)
	}
	return all
}

const renewHint = "renew it: dmfs certificate sign, with the same identity key"

// lastDays is a sentence about a certificate that ends soon or has ended, else "".
func lastDays(x *certificate, now time.Time) string {
	if x == nil || !endsSoon(x, now) {
		return ""
	}
	left := x.NotAfter.Sub(now)
	switch {
	case left <= 0:
		return fmt.Sprintf("the certificate of this node, %s, is over since %s", x.Name, x.NotAfter.Format(time.DateTime))
	case left < 2*daily:
		return fmt.Sprintf("the certificate of this node, %s, is over in %s", x.Name, left.Round(time.Minute))
	}
	return fmt.Sprintf("the certificate of this node, %s, is over in %d days", x.Name, int(left/daily))
}
