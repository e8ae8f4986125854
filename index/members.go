package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"time"

	"dmfs/trust"

	"go.etcd.io/bbolt"
)

// A member is the certificate that is known of a key, and what the policy says of it.
type member struct {
	chain trust.Chain
	since time.Time    // when it was learned, by this clock
	facts trust.Member // zero when the policy does not accept it
}

// Learn keeps certificates that the policy accepts and that are valid longer than what is known of
// their keys; what the keys signed is then proved again, and shown again with the same inode if it
// had vanished with the certificate. Errors are those of VerifyMember, joined; other chains are kept
// all the same. It returns at once when all are known.
func (ix *Index) Learn(chains ...trust.Chain) error {
	j := &learnJob{chains: ix.unknown(chains), done: make(chan error, 1)}
	if len(j.chains) == 0 {
		return nil
	}
	select {
	case ix.learns <- j:
		return <-j.done
	case <-ix.quit:
		return closed("learn certificate")
	}
}

// unknown returns the chains that are not exactly the known ones.
func (ix *Index) unknown(chains []trust.Chain) (news []trust.Chain) {
	members := ix.prover().members.byKey
	for _, c := range chains {
		if known, ok := members[c.Key()]; !ok || !bytes.Equal(known.chain.DER(), c.DER()) {
			news = append(news, c)
		}
	}
	return news
}

// learnAll does a call of Learn.
func (ix *Index) learnAll(chains []trust.Chain) error {
	b := ix.newBatch()
	var refused []error
	for _, c := range chains {
		refused = append(refused, b.learn(c))
	}
	if err := b.commit(); err != nil {
		return err
	}
	return errors.Join(refused...)
}

// learn plans to keep a certificate, if it is valid longer than the known one.
func (b *batch) learn(c trust.Chain) error {
	m, err := b.policy.VerifyMember(c, b.now)
	if err != nil || !m.NotAfter.After(b.members.byKey[m.Key].facts.NotAfter) {
		return err
	}
	if len(b.learned) == 0 {
		b.members = newRoster(maps.Clone(b.members.byKey)) // the batch's own from now on
	}
	b.members.byKey[m.Key] = member{chain: c, since: b.now, facts: m}
	b.learned = append(b.learned, m.Key)
	b.renew(m.Key)
	return nil
}

// learnFrom learns the certificate that travelled with a record.
func (b *batch) learnFrom(r trust.Record) {
	m, ok := r.Member() // of no record neither
	if !ok || !m.NotAfter.After(b.members.byKey[m.Key].facts.NotAfter) {
		return
	}
	if c, err := trust.ParseChain(r.Signature()); err == nil {
		_ = b.learn(c) // the record is proved: at worst its certificate is not kept
	}
}

// renew plans what a new certificate alters of what its key signed.
func (b *batch) renew(k trust.Key) {
	var groups [][]*change
	for n := range b.ix.ledger.names[k] {
		groups = append(groups, b.file(n).changes())
	}
	b.settleAll(groups, true)
}

// judgeMembers returns the members as a policy sees them. A certificate that was valid when it came
// does not become too new by a clock that went back.
func judgeMembers(p *trust.Policy, members roster, now time.Time) roster {
	judged := make(map[trust.Key]member, len(members.byKey))
	for k, m := range members.byKey {
		m.facts, _ = p.VerifyMember(m.chain, later(now, m.since))
		judged[k] = m
	}
	return newRoster(judged)
}

// later returns the later one of two moments.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// storeMembers writes what was learned.
func (b *batch) storeMembers(bucket *bbolt.Bucket) error {
	for _, k := range b.learned {
		m := b.members.byKey[k]
		row := binary.BigEndian.AppendUint64(nil, uint64(m.since.UnixNano()))
		if err := bucket.Put(k[:], append(row, m.chain.DER()...)); err != nil {
			return err
		}
	}
	return nil
}

// readMember takes one row of members.
func (t *table) readMember(k, v []byte) error {
	if len(v) < 8 {
		return fmt.Errorf("member %x: row is malformed", k)
	}
	chain, err := trust.ParseChainDER(bytes.Clone(v[8:]))
	if err != nil {
		return fmt.Errorf("member %x: %w", k, err)
	}
	key := chain.Key()
	if !bytes.Equal(key[:], k) {
		return fmt.Errorf("member %x: the certificate is of %s", k, key)
	}
	t.members[key] = member{chain: chain, since: time.Unix(0, int64(binary.BigEndian.Uint64(v)))}
	return nil
}
