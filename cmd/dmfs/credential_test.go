//go:build linux

package main

import (
	"testing"
	"time"
)

// TestEndOfACertificateIsWarnedOf in its last 30 days, or in its last third when
// it is valid for less than 90.
func TestEndOfACertificateIsWarnedOf(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		validity, left time.Duration
		want           string
	}{
		{365 * daily, 31 * daily, ""},
		{365 * daily, 30 * daily, "the certificate of this node, ann, is over in 30 days"},
		{60 * daily, 21 * daily, ""},
		{60 * daily, 20 * daily, "the certificate of this node, ann, is over in 20 days"},
		{24 * time.Hour, 9 * time.Hour, ""},
		{24 * time.Hour, 8 * time.Hour, "the certificate of this node, ann, is over in 8h0m0s"},
		{daily, -time.Hour, "the certificate of this node, ann, is over since 2026-11-23 11:00:00"},
	} {
		end := now.Add(test.left)
		x := &certificate{Name: "ann", NotBefore: end.Add(-test.validity), NotAfter: end}
		if got := lastDays(x, now); got != test.want {
			t.Errorf("%v of %v left: %q, not %q", test.left, test.validity, got, test.want)
		}
	}
	if got := lastDays(nil, now); got != "" {
		t.Errorf("without a certificate: %q", got)
	}
}
