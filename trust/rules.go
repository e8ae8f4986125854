package trust

import (
	"maps"
	"slices"
	"time"
)

// defaultSkew is how far apart the clocks of two nodes may be when the rules do not say.
const defaultSkew = 30 * time.Second

// Rules are what a configuration says about trust.
type Rules struct {
	Network       Key                  // zero: none
	Files         map[Name][]PublicKey // who may sign each name: 1 to 64 keys
	Namespaces    []string             // where each member may publish below its own key; they need a network
	Authorities   []Chain              // of certificates that members' chains may lack
	PolicySigners []PublicKey          // who may sign policy.toml: at most 64; none: there is none

	RevokedKeys         []Key           // of signers, members and authorities
	RevokedCertificates []string        // serial numbers in hexadecimal
	Bounds              map[Name]Bounds // versions that a name may have
	MaxFuture           time.Duration   // versions further ahead of the clock wait for their time; 0: none do
	ClockSkew           time.Duration   // how far apart clocks may be: how early a certificate is taken; 0: 30 s
}

// Bounds are the first and the last version that a name may have; zero: open.
type Bounds struct{ NotBefore, NotAfter Version }

// check refuses what is wrong whatever else is there.
func (r Rules) check() error {
	for what, count := range map[string][2]int{
		"names":                {len(r.Files), maxNames},
		"namespaces":           {len(r.Namespaces), maxNamespaces},
		"bounds":               {len(r.Bounds), maxNames},
		"revoked keys":         {len(r.RevokedKeys), maxNames},
		"revoked certificates": {len(r.RevokedCertificates), maxNames},
	} {
		if count[0] > count[1] {
			return refuse(ErrTooLarge, "%d %s are more than %d", count[0], what, count[1])
		}
	}
	switch {
	case r.MaxFuture < 0 || r.ClockSkew < 0:
		return refuse(ErrMalformed, "a duration is negative")
	case !r.Network.IsZero() && pointFault(r.Network) != "":
		return refuse(ErrMalformed, "the network's key %s %s", r.Network, pointFault(r.Network))
	case len(r.Namespaces) > 0 && r.Network.IsZero():
		return refuse(ErrMalformed, "namespaces need a network").hinting("set the network's id in [network]")
	}
	return r.checkBounds()
}

// checkBounds refuses bounds between which there is nothing.
func (r Rules) checkBounds() error {
	for n, b := range r.Bounds {
		if n.IsZero() {
			return refuse(ErrName, "the name is empty")
		}
		if b.NotBefore < 0 || b.NotAfter < 0 || b.NotAfter > 0 && b.NotAfter < b.NotBefore {
			return refuse(ErrMalformed, "%s: no version is within the bounds", n)
		}
	}
	return nil
}

// clone copies the rules; files are those that were copied already.
func (r Rules) clone(files map[Name][]PublicKey) Rules {
	r.Files = maps.Clone(files)
	delete(r.Files, policyName)
	r.Namespaces, r.Authorities = slices.Clone(r.Namespaces), slices.Clone(r.Authorities)
	r.PolicySigners, r.Bounds = slices.Clone(r.PolicySigners), maps.Clone(r.Bounds)
	r.RevokedKeys, r.RevokedCertificates = slices.Clone(r.RevokedKeys), slices.Clone(r.RevokedCertificates)
	return r
}
