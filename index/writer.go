package index

import (
	"time"

	"dmfs/trust"
)

// A job is one call of Apply.
type job struct {
	origin   string
	recs     []trust.Record
	outcomes []Outcome
	done     chan error
}

// A policyJob is one call of SetPolicy.
type policyJob struct {
	policy *trust.Policy
	done   chan error
}

// A learnJob is one call of Learn.
type learnJob struct {
	chains []trust.Chain
	done   chan error
}

// most is how many bytes of content one transaction takes before others wait for the next one.
const most = 32 << 20

// write is the one goroutine that changes the index. While it is in a transaction, callers of Apply
// queue up; the next transaction takes all of them, so that they share its fsync.
func (ix *Index) write() {
	defer close(ix.stopped)
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for rest := time.Duration(0); ; {
		var end <-chan time.Time
		if d, ok := ix.wait(); ok {
			timer.Reset(max(d, rest))
			end = timer.C
		}
		rest = 0
		select {
		case <-ix.quit:
			return
		case <-end:
			if ix.expire() != nil {
				rest = longest // the disk is full: it stays due
			}
		case j := <-ix.jobs:
			ix.work(ix.gather(j))
		case j := <-ix.policies:
			j.done <- ix.settle(j.policy, ix.groups())
		case j := <-ix.learns:
			j.done <- ix.learnAll(j.chains)
		case <-ix.sweep:
			// When this fails, the names stay loose and the next batch tries again.
			_ = ix.newBatch().commit()
		}
	}
}

// gather adds the callers that wait to the first one.
func (ix *Index) gather(first *job) []*job {
	jobs := []*job{first}
	for bytes := first.bytes(); bytes < most; {
		select {
		case j := <-ix.jobs:
			jobs, bytes = append(jobs, j), bytes+j.bytes()
		default:
			return jobs
		}
	}
	return jobs
}

// bytes returns the length of all contents.
func (j *job) bytes() (n int) {
	for _, r := range j.recs {
		content, _ := r.Content()
		n += len(content)
	}
	return n
}

// work does jobs in one transaction. When that fails each is tried alone, so that a caller's 10 MiB
// on a full disk cost itself only.
func (ix *Index) work(jobs []*job) {
	err := ix.try(jobs)
	if err == nil || len(jobs) == 1 {
		for _, j := range jobs {
			j.done <- err
		}
		return
	}
	for _, j := range jobs {
		j.done <- ix.try([]*job{j})
	}
}

func (ix *Index) try(jobs []*job) error {
	b := ix.newBatch()
	for _, j := range jobs {
		j.outcomes = make([]Outcome, len(j.recs))
		for i, r := range j.recs {
			j.outcomes[i] = b.propose(j.origin, r)
		}
	}
	return b.commit()
}
