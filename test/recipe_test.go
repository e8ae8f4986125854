package test

import "testing"

// TestRecipes runs what is in nix/recipes with the real programs, on three real
// machines: something is published at one of them and has its effect at another.
func TestRecipes(t *testing.T) {
	f := newFleet(t)
	for _, recipe := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"dns", f.dns},
		{"machine-facts", f.machineFacts},
		{"authorized-keys", f.authorizedKeys},
		{"pull-deploy", f.pullDeploy},
		{"agent", f.agentHas},
	} {
		t.Run(recipe.name, func(t *testing.T) {
			f.during(t)
			recipe.run(t)
		})
	}
}
