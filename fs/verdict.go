package fs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

const signatureSuffix = ".sig"

// judge gives the verdict on a half that was closed or renamed into place. It
// returns the change that made the pair a record, 0 while the other half is
// missing, or why the pair is refused. written says whether the caller wrote
// the bytes: an emptied file that nobody wrote yet completes a pair but is never to blame.
func (f *FS) judge(d *draft, written bool) (uint64, error) {
	path := d.location()
	seq, err := f.complete(d, path, written)
	if err != nil {
		f.refuse(path, d, err)
	}
	return seq, err
}

func (f *FS) complete(d *draft, path string, written bool) (uint64, error) {
	if base, ok := strings.CutSuffix(path, signatureSuffix); ok {
		name, err := trust.ParseName(base)
		if err != nil {
			return 0, err
		}
		return f.judgeSignature(name, d)
	}
	name, err := trust.ParseName(path)
	if err != nil {
		return 0, err
	}
	return f.judgeContent(name, d, written)
}

// judgeSignature looks for the content that the signature signs: among the
// drafts of its name, then in what is already held (a file signed anew), but not
// when its writer has brought another content: that one would wait in vain, and
// who copied the two would read nothing of it.
func (f *FS) judgeSignature(name trust.Name, d *draft) (uint64, error) {
	signature := d.freeze()
	if len(signature.bytes) == 0 {
		return 0, nil
	}
	deleted, err := f.examine(name, signature.bytes)
	if err != nil {
		f.drafts.settle(signature)
		return 0, err
	}
	if deleted {
		return f.accept(trust.NewClaim(name, signature.bytes, []byte{}), signature)
	}
	contents := f.drafts.at(name.String())
	for _, c := range contents {
		content := c.freeze()
		seq, err := f.accept(trust.NewClaim(name, signature.bytes, content.bytes), signature, content)
		if !errors.Is(err, trust.ErrMismatch) {
			return seq, err
		}
	}
	paired := slices.ContainsFunc(contents, func(c *draft) bool { return c.process == d.process && c.definite(d.process) })
	if held, ok := f.index.Get(name); ok && held.Shown && !paired {
		seq, err := f.accept(f.anew(held, signature.bytes), signature)
		if !errors.Is(err, trust.ErrMismatch) {
			return seq, err
		}
	}
	return 0, blame(d, contents)
}

// anew claims that a signature is for what is held. A travelling policy has to bring its content, as only
// that shows that it makes sense.
func (f *FS) anew(held index.Entry, signature []byte) trust.Claim {
	if held.Name.String() == trust.PolicyName {
		if content, err := f.index.Content(held.Record.Digest()); err == nil {
			return trust.NewClaim(held.Name, signature, content)
		}
	}
	return trust.NewHead(held.Name, signature, held.Record.Digest())
}

// examine refuses a signature early for all that can be known without its
// content.
func (f *FS) examine(name trust.Name, signature []byte) (deleted bool, err error) {
	said, err := f.index.Policy().Examine(name, signature, time.Now())
	if err != nil {
		return false, err
	}
	if held, ok := f.index.Get(name); ok && said.Version < held.Record.Version() {
		return false, fmt.Errorf("%s: signed at %s, %w: sign it again, with a later time", name, said.Version.Time().Format(time.RFC3339Nano), index.ErrOlder)
	}
	return said.Deleted, nil
}

// judgeContent looks for a waiting signature that signs the content.
func (f *FS) judgeContent(name trust.Name, d *draft, written bool) (uint64, error) {
	signatures := f.drafts.at(name.Signature())
	if len(signatures) == 0 {
		return 0, nil
	}
	content := d.freeze()
	for _, s := range signatures {
		signature := s.freeze()
		if len(signature.bytes) == 0 {
			continue
		}
		seq, err := f.accept(trust.NewClaim(name, signature.bytes, content.bytes), signature, content)
		if !errors.Is(err, trust.ErrMismatch) {
			return seq, err
		}
	}
	if !written {
		return 0, nil
	}
	return 0, blame(d, signatures)
}

// blame decides what it means that a half matches none of the others: nothing,
// while one of them may belong to another pair on its way. Each half is blamed
// once and then goes on waiting, so that a corrected other half still completes it. An empty
// one says nothing: its writer got no further than to open it.
func blame(d *draft, others []*draft) error {
	var found bool
	for _, o := range others {
		if o.definite(d.process) {
			o.blame()
			found = true
		}
	}
	if !found {
		return nil
	}
	d.blame()
	return &trust.Refusal{
		Err:    trust.ErrMismatch,
		Detail: "the signature does not sign this content",
		Hint:   "sign this very file again: dmfs file sign FILE --key KEY",
	}
}

// accept proposes a claim to the index and settles the halves that it is made
// of. A signature that no content can help any more is settled too; one that
// merely does not sign this content goes on waiting.
func (f *FS) accept(c trust.Claim, signature half, content ...half) (uint64, error) {
	seq, err := f.propose(c)
	switch {
	case err == nil:
		for _, c := range content {
			f.drafts.settle(c)
		}
		f.drafts.settle(signature)
	case !errors.Is(err, trust.ErrMismatch) && Errno(err) != syscall.EIO:
		f.drafts.settle(signature)
	}
	return seq, err
}

func (f *FS) propose(c trust.Claim) (uint64, error) {
	policy := f.index.Policy()
	record, err := policy.Verify(f.certified(policy, c), time.Now())
	if err != nil {
		return 0, err
	}
	outcomes, err := f.index.Apply(Origin, record)
	if err != nil {
		return 0, err
	}
	return outcomes[0].Seq, outcomes[0].Err
}

// certified gives a claim in a namespace the certificate that the index knows of
// the member, who then need not carry it behind each signature.
func (f *FS) certified(p *trust.Policy, c trust.Claim) trust.Claim {
	if _, member, ok := p.Namespace(c.Name()); ok {
		if chain, known := f.index.Certificate(member); known {
			return c.WithCertificate(chain)
		}
	}
	return c
}

// hopeless reports whether nothing with that path can become a record, as the
// temporary names of tools.
func (f *FS) hopeless(path string) bool {
	name, err := trust.ParseName(strings.TrimSuffix(path, signatureSuffix))
	return err != nil || !f.index.Policy().Admits(name)
}
