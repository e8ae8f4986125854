//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

// amender keeps the policy of an index in force: the local one, from the
// configuration, with the policy.toml that the index holds.
type amender struct {
	index *index.Index
	log   *slog.Logger

	mu        sync.Mutex
	local     *trust.Policy
	inForce   source
	overruled []string // as it was logged
}

// source is what a policy was made of.
type source struct {
	local      *trust.Policy
	travelling trust.Digest // of the content of policy.toml; zero: none
}

// policyName is that of the travelling policy.
var policyName = func() trust.Name {
	name, err := trust.ParseName(trust.PolicyName)
	if err != nil {
		panic(err)
	}
	return name
}()

// newAmender takes an index that was opened with the local policy, and so has
// the travelling one in force already.
func newAmender(ix *index.Index, local *trust.Policy, log *slog.Logger) (*amender, error) {
	a := &amender{index: ix, log: log, local: local}
	_, from, err := a.travelling()
	if err == nil {
		a.tell(from)
	}
	return a, err
}

// adopt puts another local policy in force. An error means that the old one
// stays.
func (a *amender) adopt(local *trust.Policy) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.local
	a.local = local
	_, err := a.enactLocked()
	if err != nil {
		a.local = old
	}
	return err
}

// enact puts in force what the index holds now, and says whether that is
// another policy than before.
func (a *amender) enact() (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.enactLocked()
}

// enactLocked compares what the policy is made of first: putting one in force
// may itself be a change of policy.toml, which must not go round for ever.
func (a *amender) enactLocked() (bool, error) {
	text, from, err := a.travelling()
	if err != nil || from == a.inForce {
		return false, err
	}
	p, err := a.local.Amend(text)
	if err != nil {
		a.log.Error("policy.toml does not fit the configuration, which holds alone", "err", err, "hint", hintOf(err))
		p = a.local
	}
	if err := a.index.SetPolicy(p); err != nil {
		return false, err
	}
	a.tell(from)
	return true, nil
}

// tell notes and logs what the policy in force was made of.
func (a *amender) tell(from source) {
	a.inForce = from
	p := a.index.Policy()
	a.tellOverruled(p.Overruled())
	a.log.Info("policy in force", "travelling", from.travelling != trust.Digest{}, "names", len(p.Names()), "seq", a.index.Seq())
}

// travelling returns the amendment that the index holds, as far as the local
// policy of now admits it: an empty one when there is none.
func (a *amender) travelling() (trust.Amendment, source, error) {
	none, from := trust.Amendment{}, source{local: a.local}
	e, ok := a.index.Get(policyName)
	if !ok || !e.Shown {
		return none, from, nil
	}
	if _, err := a.local.Verify(e.Record.Claim(), time.Now()); err != nil {
		a.log.Warn("policy.toml is no longer admitted", "err", err)
		return none, from, nil
	}
	content, err := a.index.Content(e.Record.Digest())
	if err != nil {
		return none, from, fmt.Errorf("policy.toml: %w", err)
	}
	text, err := trust.ParseAmendment(content)
	if err != nil { // a program that knew less of the format accepted it
		a.log.Error("policy.toml is not understood, and the configuration holds alone", "err", err)
	}
	from.travelling = e.Record.Digest()
	return text, from, nil
}

// tellOverruled logs what of policy.toml the configuration passes over, once.
func (a *amender) tellOverruled(entries []string) {
	if len(entries) > 0 && !slices.Equal(entries, a.overruled) {
		a.log.Warn("the configuration overrules policy.toml", "entries", strings.Join(entries, ", "))
	}
	a.overruled = entries
}

// follow enacts every change of policy.toml after the change `after`, until ctx
// is done or the index is closed, and calls changed after each.
func (a *amender) follow(ctx context.Context, after uint64, changed func(context.Context)) {
	err := a.index.Follow(ctx, after, func(ctx context.Context, entries []index.Entry) error {
		if !slices.ContainsFunc(entries, func(e index.Entry) bool { return e.Name == policyName }) {
			return nil
		}
		switch another, err := a.enact(); {
		case errors.Is(err, index.ErrNoContent): // superseded meanwhile, which is another change
		case err != nil:
			a.log.Error("policy.toml did not come into force", "err", err)
		case another:
			changed(ctx)
		}
		return nil
	})
	if ctx.Err() == nil && !errors.Is(err, os.ErrClosed) {
		a.log.Error("policy.toml is not followed any more", "err", err)
	}
}
