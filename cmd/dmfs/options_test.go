//go:build linux

package main

import (
	"os"
	"strings"
	"testing"
)

func TestMountOptions(t *testing.T) {
	for _, test := range []struct {
		list string
		want MountOptions
	}{
		{"", MountOptions{}},
		{"defaults,nofail,_netdev,x-systemd.automount,X-a=b,comment=c,noatime,user", MountOptions{}},
		{"ro,nosuid,nodev,noexec", MountOptions{ReadOnly: true}},
		{"ro,rw", MountOptions{}},
		{"uid=1000,gid=1001,allow_other", MountOptions{UID: 1000, GID: 1001, AllowOther: true}},
		{"umask=027", MountOptions{DirMode: 0o750, FileMode: 0o640}},
		{"umask=0,file_mode=0440", MountOptions{DirMode: 0o777, FileMode: 0o440}},
		{"dir_mode=711", MountOptions{DirMode: 0o711}},
		{"uid=root", MountOptions{}},
	} {
		got := MountOptions{}
		if err := got.apply(strings.Split(test.list, ",")); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.list, got, err, test.want)
		}
	}
	for _, list := range []string{
		"colour", "ro=1", "uid", "uid=", "uid=-1", "uid=4294967295", "uid=no-such-user", "umask=9", "umask=777",
		"umask=1000", "dir_mode=0", "file_mode=01000", "suid", "dev", "exec", "remount", "nonempty",
	} {
		err := new(MountOptions).apply(strings.Split(list, ","))
		if err == nil || codeOf(err) != exitUsage {
			t.Errorf("-o %s is taken: %v", list, err)
		}
	}
}

// TestLooksTellApart what a live mount cannot change, and nothing else.
func TestLooksTellApart(t *testing.T) {
	look := MountOptions{UID: 1, GID: 2, DirMode: 3, FileMode: 4}
	for _, other := range []MountOptions{
		{UID: 9, GID: 2, DirMode: 3, FileMode: 4}, {UID: 1, GID: 9, DirMode: 3, FileMode: 4},
		{UID: 1, GID: 2, DirMode: 9, FileMode: 4}, {UID: 1, GID: 2, DirMode: 3, FileMode: 9},
		{UID: 1, GID: 2, DirMode: 3, FileMode: 4, AllowOther: true},
	} {
		if look.looks() == other.looks() {
			t.Errorf("%+v looks like %+v", look, other)
		}
	}
	same := look
	same.ReadOnly, same.MaxDrafts = true, 5
	if look.looks() != same.looks() {
		t.Error("a live mount may become read-only, and does not")
	}
}

// TestInherit finds a live mount in what systemd or an earlier program left, and
// clears the environment of it.
func TestInherit(t *testing.T) {
	for _, test := range []struct {
		name, handed, pid, names string
		want                     legacy
	}{
		{"nothing", "", "", "", legacy{}},
		{"executed anew", "1000:abc", "", "", legacy{1000, "abc"}},
		{"somebody else's", "", "1", "mount-abc", legacy{}},
		{"without a look", "1000", "", "", legacy{}},
		{"no descriptor", "x:abc", "", "", legacy{}},
	} {
		t.Setenv(deviceVariable, test.handed)
		t.Setenv("LISTEN_PID", test.pid)
		t.Setenv("LISTEN_FDNAMES", test.names)
		if got := inherit(); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
		if os.Getenv(deviceVariable)+os.Getenv("LISTEN_PID")+os.Getenv("LISTEN_FDNAMES") != "" {
			t.Errorf("%s: children would inherit it", test.name)
		}
	}
}
