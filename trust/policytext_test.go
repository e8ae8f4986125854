package trust_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestWrongPoliciesRefused has a row for every mistake; the message begins with its line.
func TestWrongPoliciesRefused(t *testing.T) {
	key := fmt.Sprintf("%q", otherKey.Public().Key)
	p, n := localPolicy(t), trusttest.Name(t, trust.PolicyName)
	for what, c := range map[string]struct {
		line int
		toml string
	}{
		"no TOML":                      {1, "garbage"},
		"not UTF-8":                    {1, "\"\xff\" = 1"},
		"syntax":                       {3, "[files]\n\"a\" = [ " + key + " ]\n\"b\" = \n"},
		"unknown table":                {3, "[files]\n\n[policy]\nsigners = [ " + key + " ]"},
		"unknown key at the top":       {2, "\nsigners = [ " + key + " ]"},
		"table that is none":           {1, "files = 1"},
		"list of tables":               {1, "[[files]]\n\"a\" = [ " + key + " ]"},
		"unknown key":                  {2, "[network]\nid = " + key},
		"unknown revocation":           {2, "[revoked]\nsignatures = [ ]"},
		"name that is none":            {2, "[files]\n\"../a\" = [ " + key + " ]"},
		"name twice":                   {3, "[files]\n\"a\" = [ " + key + " ]\n\"a\" = [ " + key + " ]"},
		"name twice, and endless":      {2, strings.Repeat("a", 5000) + " = 1\n" + strings.Repeat("a", 5000) + " = 1"},
		"name without quotes":          {2, "[files]\na.b = [ " + key + " ]"},
		"its own name":                 {2, "[files]\n\"policy.toml\" = [ " + key + " ]"},
		"below its own name":           {2, "[files]\n\"policy.toml/a\" = [ " + key + " ]"},
		"its own bounds":               {2, "[bounds]\n\"policy.toml\" = { not_after = 2026-01-01T00:00:00Z }"},
		"its own name as namespace":    {2, "[network]\nnamespaces = [ \"policy.toml\" ]"},
		"no keys":                      {2, "[files]\n\"a\" = [ ]"},
		"too many keys":                {2, "[files]\n\"a\" = [ " + strings.Repeat(key+",", 65) + " ]"},
		"one key, no list":             {2, "[files]\n\"a\" = " + key},
		"keys of another kind":         {2, "[files]\n\"a\" = [ 1 ]"},
		"key that is none":             {5, "[files]\n\"a\" = [\n " + key + ",\n\n \"garbage\" ]"},
		"path of a key":                {2, "[files]\n\"a\" = [ \"/etc/hostname\" ]"},
		"file is a directory":          {3, "[files]\n\"a\" = [ " + key + " ]\n\"a/b\" = [ " + key + " ]"},
		"file in its namespace":        {2, "[files]\n\"a/b\" = [ " + key + " ]\n[network]\nnamespaces = [ \"a\" ]"},
		"namespace in its namespace":   {3, "[network]\nnamespaces = [ \"a\",\n\"a/b\" ]"},
		"namespace twice":              {2, "[network]\nnamespaces = [ \"a\", \"a\" ]"},
		"namespace that is no name":    {4, "[network]\nnamespaces = [\n\"a\",\n\"a//b\" ]"},
		"namespace without room":       {2, "[network]\nnamespaces = [ \"" + strings.Repeat("aaaaaaaaa/", 98) + "a\" ]"},
		"namespaces of another kind":   {2, "[network]\nnamespaces = \"a\""},
		"revoked key that is none":     {2, "[revoked]\nkeys = [ \"garbage\" ]"},
		"serial that is none":          {3, "[revoked]\ncertificates = [ \"0a\",\n\"-1\" ]"},
		"serial as a number":           {2, "[revoked]\ncertificates = [ 10 ]"},
		"bound without zone":           {2, "[bounds]\n\"a\" = { not_after = 2026-01-01T00:00:00 }"},
		"bound that is a day":          {2, "[bounds]\n\"a\" = { not_after = 2026-01-01 }"},
		"bound as a string":            {2, "[bounds]\n\"a\" = { not_after = \"2026-01-01T00:00:00Z\" }"},
		"bound before 1970":            {2, "[bounds]\n\"a\" = { not_after = 1969-01-01T00:00:00Z }"},
		"bound beyond all versions":    {2, "[bounds]\n\"a\" = { not_after = 2300-01-01T00:00:00Z }"},
		"unknown bound":                {2, "[bounds]\n\"a\" = { until = 2026-01-01T00:00:00Z }"},
		"bounds without any":           {2, "[bounds]\n\"a\" = { }"},
		"bounds that are no table":     {2, "[bounds]\n\"a\" = 1"},
		"bounds with nothing between":  {2, "[bounds]\n\"a\" = { not_before = 2027-01-01T00:00:00Z, not_after = 2026-01-01T00:00:00Z }"},
		"bounds of a name that's none": {2, "[bounds]\n\"a/\" = { not_after = 2026-01-01T00:00:00Z }"},
		"nested brackets":              {2, "\nx = " + strings.Repeat("[", 1<<19)},
		"nested tables":                {1, "x = " + strings.Repeat("{a=", 1<<18)},
		"nested over lines":            {5, "x = " + strings.Repeat("[\n", 1<<18)},
		"long dotted key":              {1, strings.Repeat("a.", 1<<18) + "a = 1"},
		"long header":                  {1, "[" + strings.Repeat("a.", 1<<18) + "a]"},
		"nested behind a long string":  {1, "x = [ \"\"\"a\"\"\"\"\", " + strings.Repeat("{a=", 1<<18)},
		"nested behind an escape":      {1, "x = [ \"\\\"\", " + strings.Repeat("{a=", 1<<18)},
		"nested behind a literal":      {1, "x = [ 'a\\', " + strings.Repeat("{a=", 1<<18)},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := trust.ParseAmendment([]byte(c.toml))
			wantRefusal(t, err, trust.ErrMalformed)
			if want := fmt.Sprintf("policy.toml:%d: ", c.line); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v; want it to begin with %s", err, want)
			}
			// The same verdict at the door, and for a head whose content comes later.
			claim := publish(t, policyKey, trust.PolicyName, []byte(c.toml), noChain)
			_, atDoor := p.Verify(claim, now)
			wantRefusal(t, atDoor, trust.ErrMalformed)
			head, headErr := p.Verify(trust.NewHead(n, claim.Signature(), trust.DigestOf([]byte(c.toml))), now)
			if headErr != nil {
				t.Fatal(headErr)
			}
			_, later := head.WithContent([]byte(c.toml))
			wantRefusal(t, later, trust.ErrMalformed)
			if atDoor.Error() != err.Error() || later.Error() != err.Error() {
				t.Errorf("%v, %v, %v", err, atDoor, later)
			}
		})
	}
	_, err := trust.ParseAmendment(bytes.Repeat([]byte("#"), 1<<20+1))
	wantRefusal(t, err, trust.ErrTooLarge)
}

// TestStrangePoliciesAccepted has what looks wrong, but is not.
func TestStrangePoliciesAccepted(t *testing.T) {
	key := otherKey.Public().Key
	for what, toml := range map[string]string{
		"empty":              "",
		"comment":            "# [[[[[[[[[[ {{{{{{{{ ................................",
		"empty tables":       "[files]\n[network]\n[revoked]\n[bounds]\n",
		"brackets in a name": fmt.Sprintf("[files]\n\"[[[[[[{{{{{......................\" = [ %q ]", key),
		"quotes in a name":   fmt.Sprintf("[files]\n'[[[\"[[[' = [ %q ]\n\"'''[\\\"[[[[[\" = [ %q ]", key, key),
		"PEM in a string":    fmt.Sprintf("[files]\n\"a\" = [ \"\"\"\n%s\"\"\" ]", key.MarshalPEM()),
		"bounds as a table":  "[bounds.\"a\"]\nnot_after = 2026-01-01T00:00:00Z",
		"largest":            strings.Repeat("#", 1<<20),
	} {
		if _, err := trust.ParseAmendment([]byte(toml)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
