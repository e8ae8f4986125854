package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
)

// rebuildCommand deploys what the checkout says, and writes down that it did.
const rebuildCommand = `#!/bin/sh
echo "$1" >> /test/rebuilt
exec sh ./rebuild.sh
`

// makeRepository makes the same commits on every machine, one for each rebuild.sh.
const makeRepository = `set -e
export GIT_AUTHOR_NAME=ann GIT_AUTHOR_EMAIL=ann@test GIT_AUTHOR_DATE='@1 +0000'
export GIT_COMMITTER_NAME=ann GIT_COMMITTER_EMAIL=ann@test GIT_COMMITTER_DATE='@1 +0000'
mkdir -p /nix/var/nix/profiles && git init -q /srv/infra && cd /srv/infra
while read -r line; do
	echo "$line" > rebuild.sh && git add . && git commit -qm "$line" && git rev-parse HEAD
done <<'END'
ln -sfn system-1-link /nix/var/nix/profiles/system
echo building; echo 'error: attribute missing' >&2; false; exit 1
mkfifo /test/held; read line < /test/held; ln -sfn system-3-link /nix/var/nix/profiles/system
ln -sfn system-4-link /nix/var/nix/profiles/system
END
`

// deployment is the recipe on two machines, and the admin at a third one.
type deployment struct {
	*fleet
	references []string // of the commits that makeRepository makes
	began      []string // what every machine must have begun, in order
}

func (f *fleet) pullDeploy(t *testing.T) {
	d := &deployment{fleet: f}
	f.a.sh(makeRepository)
	for _, v := range []*vessel{f.b, f.c} {
		v.put("/etc/dmfs/rebuild", rebuildCommand, 0o755)
		d.references = nil
		for revision := range strings.FieldsSeq(v.sh(makeRepository)) {
			d.references = append(d.references, "git+file:///srv/infra?rev="+revision)
		}
		v.install("pull-deploy")
	}
	f.a.put("/usr/lib/dmfs/dmfs-deploy-report.sh", string(read(t, root+"/nix/recipes/pull-deploy/dmfs-deploy-report.sh")), 0o755)

	f.follow(t, "### pull-deploy")
	d.began = []string{d.references[3]}
	d.target(0, "", "done 1")
	d.again() // the same, and the service once more
	d.target(1, "", "failed 1 error: attribute missing")
	if state, _ := f.b.try("systemctl", "is-failed", "dmfs-deploy.service"); state != "failed\n" {
		t.Errorf("the service of a failed deployment is %q", state)
	}

	// A target that arrives while another one is deployed.
	d.target(2, "", "running 1")
	f.a.publish("deploy/target", d.references[3]+"\n")
	d.reports("behind 1")
	d.release()
	d.began = append(d.began, d.references[3])
	d.reports("done 4")

	// One that ends with the machine is not begun twice.
	d.target(2, "# again\n", "running 4")
	d.onEach("systemctl", "kill", "--signal=KILL", "dmfs-deploy.service")
	d.onEach("systemctl", "restart", "dmfs.service")
	d.reports("failed 4 interrupted")
	d.onEach("rm", "/test/held")
	d.again()

	for text, why := range map[string]string{
		"git+file:///srv/infra;evil?rev=" + strings.Repeat("0", 40): "the reference has characters that none has",
		"git+http://example.org/?rev=0":                             "the reference does not begin with git+https://, git+ssh:// or git+file:///",
		"git+file:///srv/infra?rev=main":                            "the reference has no rev= with 40 digits",
	} {
		f.a.publish("deploy/target", text)
		d.reports("failed 4 " + why)
	}
	d.target(0, "# once more\n", "done 1")
}

// target publishes a target at the admin's and waits for what the other machines
// report.
func (d *deployment) target(i int, more, want string) {
	d.a.t.Helper()
	d.a.publish("deploy/target", d.references[i]+"\n"+more)
	d.began = append(d.began, d.references[i])
	took := d.reports(want)
	d.a.t.Logf("both report %q after %v", want, took.Round(time.Millisecond))
}

// reports waits until the report says the same of both machines, STATE GENERATION
// REASON, and looks what they have begun.
func (d *deployment) reports(want string) time.Duration {
	t := d.a.t
	t.Helper()
	took := harness.Eventually(t, patience, func() error {
		out, err := d.a.try("/usr/lib/dmfs/dmfs-deploy-report.sh")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 3 || (err == nil) != strings.HasPrefix(want, "done") {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, line := range lines[1:] {
			if part := strings.Fields(line); strings.Join(append(part[1:3:3], part[min(len(part), 6):]...), " ") != want {
				return fmt.Errorf("not %q:\n%s", want, out)
			}
		}
		return nil
	})
	return took
}

// again has the services look at a target that is done with, and checks that none
// was ever begun twice.
func (d *deployment) again() {
	t := d.a.t
	t.Helper()
	target := d.a.run("cat", local+"/deploy/target")
	d.a.publish("deploy/target", target+"\n")
	for _, v := range []*vessel{d.b, d.c} {
		_, _ = v.try("systemctl", "start", "dmfs-deploy.service") //nolint:errcheck // fails when the last deployment did
		v.settle("dmfs-deploy", "dmfs-deploy-again")
		began, err := os.ReadFile(filepath.Join(v.Dir, "rebuilt"))
		if want := strings.Join(d.began, "\n") + "\n"; err != nil || string(began) != want {
			t.Errorf("%s has begun\n%snot\n%s%v", v.name, began, want, err)
		}
	}
}

// release lets the deployments end that wait.
func (d *deployment) release() { d.onEach("sh", "-c", "echo > /test/held; rm /test/held") }

func (d *deployment) onEach(command ...string) {
	d.a.t.Helper()
	for _, v := range []*vessel{d.b, d.c} {
		v.run(command...)
	}
}
