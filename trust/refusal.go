package trust

import (
	"errors"
	"fmt"
)

// The reasons to refuse. Every error of this package that judges a name, a key or a claim
// is a [*Refusal] that wraps exactly one of them.
var (
	// ErrName: the name breaks the syntax, or is a directory of another name.
	ErrName = errors.New("invalid name")
	// ErrTooLarge: the content, the signature or a list is longer than its limit.
	ErrTooLarge = errors.New("too large")
	// ErrMalformed: the signature, key, certificate or travelling policy cannot be parsed.
	ErrMalformed = errors.New("malformed")
	// ErrMismatch: the signature is not for this name, network or content.
	ErrMismatch = errors.New("signature does not match")
	// ErrUnknownKey: no key of the policy made the signature, or the signer is not a member.
	ErrUnknownKey = errors.New("unknown key")
	// ErrNotAllowed: the name has no entry, the key is known but not for this name, or the version
	// is not within the name's bounds.
	ErrNotAllowed = errors.New("not allowed")
	// ErrRevoked: the signer or a certificate was revoked.
	ErrRevoked = errors.New("revoked")
	// ErrExpired: the signed lifetime, or the certificate, is over.
	ErrExpired = errors.New("expired")
	// ErrFuture: the version, or the certificate, is too far ahead of the clock. It is taken when
	// its time has come.
	ErrFuture = errors.New("in the future")
)

// A Refusal says why something was refused, in words for people.
type Refusal struct {
	Err    error  // the reason, one of the Err variables
	Detail string // one line without control characters: what is wrong
	Hint   string // one line: what to do next; may be empty
}

// Error returns the detail alone.
func (r *Refusal) Error() string { return r.Detail }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// refuse makes a Refusal without a hint.
func refuse(reason error, format string, args ...any) *Refusal {
	return &Refusal{Err: reason, Detail: fmt.Sprintf(format, args...)}
}

// hinting adds what to do next.
func (r *Refusal) hinting(format string, args ...any) *Refusal {
	r.Hint = fmt.Sprintf(format, args...)
	return r
}

// regarding puts what an error is about before its detail.
func regarding(what string, err error) error {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		return err
	}
	return &Refusal{Err: r.Err, Hint: r.Hint, Detail: what + ": " + r.Detail}
}

// shown quotes text from outside for an error message: one short line, nothing hidden in it.
func shown(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}
