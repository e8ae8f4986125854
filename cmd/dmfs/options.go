package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MountOptions say how the mount looks and what it takes: the tables [mount]
// and [drafts] of the configuration, then `-o`.
type MountOptions struct {
	UID, GID          uint32 // own everything in the mount
	DirMode, FileMode uint32 // permissions; 0: 0755 and 0444
	ReadOnly          bool   // nobody may propose files here
	AllowOther        bool   // other users may look into the mount

	MaxDrafts     int           // unfinished writes of one user; 0: 1024
	MaxDraftBytes int           // of one user; 0: 128 MiB
	DraftAge      time.Duration // how long a half waits for the other one; 0: 10 minutes
}

func defaultMountOptions() MountOptions {
	return MountOptions{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), AllowOther: os.Geteuid() == 0}
}

// looks tells apart what a live mount cannot change any more: the kernel has it
// cached. It is short and has no colon.
func (o MountOptions) looks() string {
	hash := fnv.New32a()
	fmt.Fprint(hash, o.UID, o.GID, o.DirMode, o.FileMode, o.AllowOther)
	return fmt.Sprintf("%08x", hash.Sum32())
}

// valued are the options of `-o` that take a value.
var valued = map[string]func(o *MountOptions, value string) error{
	"uid":       func(o *MountOptions, value string) (err error) { o.UID, err = userID(value); return err },
	"gid":       func(o *MountOptions, value string) (err error) { o.GID, err = groupID(value); return err },
	"dir_mode":  func(o *MountOptions, value string) (err error) { o.DirMode, err = permissions(value); return err },
	"file_mode": func(o *MountOptions, value string) (err error) { o.FileMode, err = permissions(value); return err },
	"umask":     applyUmask,
}

// switches are those without a value.
var switches = map[string]func(o *MountOptions){
	"ro":          func(o *MountOptions) { o.ReadOnly = true },
	"rw":          func(o *MountOptions) { o.ReadOnly = false },
	"allow_other": func(o *MountOptions) { o.AllowOther = true },
}

// granted are options that change nothing: the mount is like that anyway, or
// they are for mount(8), fstab(5) and systemd.
var granted = []string{
	"nosuid", "nodev", "noexec", "default_permissions", "defaults", "auto", "noauto", "nofail", "_netdev",
	"user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup",
	"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
	"lazytime", "nolazytime", "sync", "async", "dirsync", "silent", "loud", "iversion", "noiversion", "mand", "nomand",
	"nosymfollow",
}

// impossible are options that people try, with what to do instead.
var impossible = map[string]string{
	"suid": "leave it out: nothing in the mount is ever run as another user", "dev": "leave it out: there are no devices in the mount",
	"exec": "copy the program out of the mount first", "remount": "unmount and mount, or change the configuration and send SIGHUP",
	"nonempty": "mount on an empty directory", "allow_root": "use allow_other: the modes say who may look",
	"bind": "mount it first, then: mount --bind",
}

// apply changes o as a list of `-o` says; later ones win.
func (o *MountOptions) apply(list []string) error {
	for _, option := range list {
		if err := o.applyOne(strings.TrimSpace(option)); err != nil {
			return err
		}
	}
	return nil
}

func (o *MountOptions) applyOne(option string) error {
	name, value, hasValue := strings.Cut(option, "=")
	switch {
	case option == "" || ignored(name):
		return nil
	case impossible[name] != "":
		return usagef(impossible[name], "-o %s is not possible here", name)
	case valued[name] != nil && value != "":
		if err := valued[name](o, value); err != nil {
			return usagef("", "-o %s: %w", option, err)
		}
		return nil
	case valued[name] != nil:
		return usagef("write "+name+"=VALUE", "-o %s has no value", name)
	case switches[name] != nil && !hasValue:
		switches[name](o)
		return nil
	}
	return usagef("known are: "+strings.Join(knownOptions(), ", "), "-o %s is unknown", option)
}

func ignored(name string) bool {
	return slices.Contains(granted, name) || name == "comment" ||
		strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-")
}

func knownOptions() []string {
	names := []string{"nosuid", "nodev", "noexec"}
	for name := range switches {
		names = append(names, name)
	}
	for name := range valued {
		names = append(names, name+"=")
	}
	slices.Sort(names)
	return names
}

// applyUmask takes permissions away from all, as other file systems do.
func applyUmask(o *MountOptions, value string) error {
	mask, err := strconv.ParseUint(value, 8, 32)
	if err != nil || mask > 0o777 {
		return fmt.Errorf("%q is no umask such as 022", value)
	}
	o.DirMode, o.FileMode = 0o777&^uint32(mask), 0o666&^uint32(mask)
	if o.DirMode == 0 || o.FileMode == 0 {
		return fmt.Errorf("%q leaves nobody a permission", value)
	}
	return nil
}

// permissions parses an octal mode such as 0755.
func permissions(text string) (uint32, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, fmt.Errorf("%q is no mode between 0001 and 0777, in octal", text)
	}
	return uint32(mode), nil
}

func userID(text string) (uint32, error) {
	return parseID(text, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", fmt.Errorf("no user %q", name)
		}
		return u.Uid, nil
	})
}

func groupID(text string) (uint32, error) {
	return parseID(text, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", fmt.Errorf("no group %q", name)
		}
		return g.Gid, nil
	})
}

// parseID takes a number, or a name to look up.
func parseID(text string, find func(name string) (string, error)) (uint32, error) {
	if text == "" || text[0] < '0' || text[0] > '9' {
		found, err := find(text)
		if err != nil {
			return 0, err
		}
		text = found
	}
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 1<<32-1 { // -1 is "no id" to the kernel
		return 0, fmt.Errorf("%q is no id", text)
	}
	return uint32(id), nil
}
