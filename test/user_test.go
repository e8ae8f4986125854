package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dmfs/test/harness"
	"dmfs/trust/trusttest"
)

// ordinary is what root runs in namespaces of its own, so that nothing is left:
// a node of an ordinary user, $AS, in the directory $1, mounted by fusermount3.
const ordinary = `
cd "$1"
mount -t tmpfs none /dev && mknod -m 666 /dev/fuse c 10 229 && mknod -m 666 /dev/null c 1 3
AS="setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=$1"
fails() { if "$@"; then exit 1; fi; }
shown() { $AS ./dmfs status --mount mnt --wait 60s && $AS cmp content mnt/config.json; }
$AS ./dmfs mount -c dmfs.toml & node=$!
$AS ./dmfs status --mount mnt --wait 60s
$AS ./dmfs file update content --name config.json --key my.key --mount mnt
shown
fails cat mnt/config.json
kill -9 $node
fails wait $node
fails $AS cat mnt/config.json
$AS ./dmfs mount -c dmfs.toml & node=$!
shown
kill $node
wait $node
fails grep "$1/mnt" /proc/self/mountinfo
`

// TestOrdinaryUserMounts without being root: the mount is that user's alone, goes
// at SIGTERM, and after a kill the next start recovers what is left.
func TestOrdinaryUserMounts(t *testing.T) {
	harness.NeedMount(t)
	harness.NeedRoot(t)
	harness.Need(t, "fusermount3")
	dir := t.TempDir()
	signer := trusttest.Signer(1)
	for name, text := range map[string]string{
		"my.key":  string(signer.MarshalPEM()),
		"content": "mine\n",
		"dmfs.toml": `mountpoint = "mnt"
state_dir = "state"
[cluster]
listen = [ "/ip4/127.0.0.1/tcp/0" ]
[files]
"config.json" = [ "` + signer.Public().Key.String() + `" ]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	prepare := `cp "$2/dmfs" "$1" && chown -R 65534:65534 "$1" && chmod 711 "$1" "$1/.."`
	for _, command := range [][]string{
		{"sh", "-euc", prepare},
		{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euxc", ordinary},
	} {
		cmd := exec.CommandContext(ctx, command[0], append(command[1:], "sh", dir, harness.Bin(t))...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}
