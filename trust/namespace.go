package trust

import (
	"encoding/base64"
	"slices"
	"strings"
)

// lengthOfKey is the length of a key as part of a name: base64url without padding.
var lengthOfKey = base64.RawURLEncoding.EncodedLen(len(Key{}))

// Namespaces returns the namespaces, sorted.
func (p *Policy) Namespaces() []string { return slices.Clone(p.namespaces) }

// Namespace returns the namespace that a name is in and the key of the member whose it is, the part
// behind the namespace. Not ok: the name is in none, or that part is no key.
func (p *Policy) Namespace(n Name) (namespace string, member Key, ok bool) {
	namespace, rest, ok := p.within(n)
	if !ok {
		return "", Key{}, false
	}
	part, _, _ := strings.Cut(rest, "/")
	k, ok := parseKeyPart(part)
	if !ok || pointFault(k) != "" {
		return "", Key{}, false
	}
	return namespace, k, true
}

// within finds the namespace above a name. No namespace is within another: there is at most one.
func (p *Policy) within(n Name) (namespace, rest string, ok bool) {
	if len(p.namespaces) == 0 {
		return "", "", false
	}
	for i, c := range n.text {
		if c != '/' {
			continue
		}
		if _, ok := slices.BinarySearch(p.namespaces, n.text[:i]); ok {
			return n.text[:i], n.text[i+1:], true
		}
	}
	return "", "", false
}

// parseKeyPart reads 32 bytes in base64url without padding, the form of keys in names and of
// network ids in signatures.
func parseKeyPart(s string) (k Key, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(k) || strings.ContainsAny(s, "\r\n") {
		return Key{}, false
	}
	return Key(b), Key(b) != Key{}
}

// checkNamespace wants a name with room for a key behind it.
func checkNamespace(s string) error {
	n, err := ParseName(s)
	switch {
	case err != nil:
		return refuse(ErrName, "namespace: %v", err)
	case len(s)+1+lengthOfKey > MaxName:
		return refuse(ErrName, "namespace %s leaves no room for a key", shown(s))
	}
	return checkReserved(n)
}

// checkReserved refuses names that belong to the travelling policy.
func checkReserved(n Name) error {
	if n.text == PolicyName || strings.HasPrefix(n.text, PolicyName+"/") {
		return refuse(ErrName, "%s is the travelling policy and cannot be declared", PolicyName).
			hinting("say who may sign it with signers in [policy] of the configuration")
	}
	return nil
}
