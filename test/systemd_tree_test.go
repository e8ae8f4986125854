package test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	// treePackages are what the tree has beyond a minimal Debian: systemd, and
	// the programs that are pointed at the mount. getent asks the name server.
	treePackages = "systemd,systemd-sysv,dbus,procps,unbound,nginx-light,openssh-server,openssh-client," +
		"bind9-dnsutils,git,prometheus-node-exporter"
	// treeDisabled would start at boot, where nothing that they use is there yet.
	treeDisabled = "unbound.service nginx.service ssh.service prometheus-node-exporter.service"
)

// systemdTree returns a Debian tree, made once and kept in the user's cache. Its
// name says what it was made from, so that a tree with other packages is not
// taken for it.
func systemdTree(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "dmfs-test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	recipe := sha256.Sum256([]byte(makeTree))
	tree := filepath.Join(cache, fmt.Sprintf("bookworm-%x", recipe[:4]))
	if _, err := os.Stat(tree); err == nil {
		return tree
	}
	t.Logf("making %s, once", tree)
	out, err := exec.Command("timeout", "900", "sh", "-euc", makeTree, "sh", tree+".new").CombinedOutput()
	if err == nil {
		err = os.Rename(tree+".new", tree)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out[max(0, len(out)-2000):])
	}
	return tree
}

// makeTree makes the tree $1.
const makeTree = `
rm -rf "$1"
debootstrap --variant=minbase --include=` + treePackages + ` bookworm "$1"
for service in ` + treeDisabled + `; do systemctl --root="$1" disable $service; done
rm -f "$1"/var/cache/apt/archives/*.deb
`
