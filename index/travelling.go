package index

import (
	"dmfs/trust"

	"go.etcd.io/bbolt"
)

// amended returns the local policy with the policy.toml that the file holds and the local policy admits.
// One that makes no sense here, as it was written for a newer program or another configuration, changes
// nothing.
func (ix *Index) amended(local *trust.Policy, t *table, tx *bbolt.Tx) *trust.Policy {
	n, err := trust.ParseName(trust.PolicyName)
	if err != nil || len(t.names[n]) == 0 {
		return local
	}
	v := prover{policy: local, now: ix.now()}.judge(t.names[n])
	if v.record.IsZero() || v.over || v.best.deleted {
		return local
	}
	a, err := trust.ParseAmendment(getContent(tx.Bucket(bucketContents), v.best.digest))
	if err != nil {
		return local
	}
	p, err := local.Amend(a)
	if err != nil {
		return local
	}
	return p
}
