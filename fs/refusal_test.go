package fs

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestI9RefusalsDoNotFillTheLog: of each user it says the first ones, and that there are more.
func TestI9RefusalsDoNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	f := &FS{index: indextest.Open(t, trusttest.Policy(t, trusttest.Signer(1), "f")), log: slog.New(slog.NewTextHandler(&log, nil))}
	for i := range 2 * budgetSize {
		f.refuse(fmt.Sprint(i), &draft{uid: 1}, trust.ErrMismatch)
	}
	f.refuse("f", &draft{uid: 2}, trust.ErrMismatch)
	for line, want := range map[string]int{"msg=refused": budgetSize + 1, "uid=2": 1, `msg="no more refusals of this user`: 1} {
		if got := bytes.Count(log.Bytes(), []byte(line)); got != want {
			t.Errorf("%d lines have %s, want %d", got, line, want)
		}
	}
	if kept := len(f.index.Refusals()); kept != 2*budgetSize+1 {
		t.Errorf("%d refusals are kept", kept)
	}
	if again, last := f.budget.spend(1, time.Now().Add(budgetFor)); !again || last {
		t.Error("silent after a while, too")
	}
}
