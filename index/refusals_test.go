package index_test

import (
	"fmt"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
)

func TestRefusals(t *testing.T) {
	ix := indextest.Open(t, policy(t, may{"f": {alice}}))
	told := 0
	ix.OnRefuse(func(index.Refused) { told++ })
	for i := range 300 {
		ix.Refuse(index.Refused{Name: fmt.Sprint(i), Reason: "first"})
	}
	ix.Refuse(index.Refused{Name: "100", Reason: string(make([]byte, 5000))})
	got := ix.Refusals()
	if len(got) != 256 || got[0].Name != "44" || got[254].Name != "299" {
		t.Fatalf("%d refusals, from %s to %s", len(got), got[0].Name, got[254].Name)
	}
	if told != 301 {
		t.Errorf("told of %d", told)
	}
	if last := got[255]; last.Name != "100" || len(last.Reason) != 1024 {
		t.Errorf("last %s with %d bytes", last.Name, len(last.Reason))
	}
}
