#!/bin/sh
# dmfs-dns.sh MOUNT NAME KEPT CONFIG
# Takes the records in MOUNT/NAME into the file KEPT, which the unbound.conf CONFIG
# includes, if unbound could start with them. Exit codes: 0 it took them, 1 there is
# nothing new, 255 they are refused, and KEPT is as before.
set -eu
mount=$1 name=$2 kept=$3 config=$4
exec 9>"$kept.lock"
flock 9

refuse() {
	rm -f "$kept.new" "$kept.conf"
	echo "dmfs-dns: $name: $1; the records stay as they are" >&2
	exit 255
}

# Without a node there is nothing to say about the file, least of all its end.
[ -e "$mount/.dmfs/status.json" ] || exit 1

# The file is read once: what was looked at is what is used.
if ! cat "$mount/$name" >"$kept.new" 2>/dev/null; then
	[ ! -e "$mount/$name" ] || refuse 'cannot be read'
	rm "$kept.new"
	[ -e "$kept" ] || exit 1
	rm "$kept"
	exit 0
fi
if cmp -s "$kept.new" "$kept"; then
	rm "$kept.new"
	exit 1
fi

# unbound takes several options of a line, and any option at all. So a line is one
# of two options with one value in quotes, in which nothing can end them early.
value="(\"[^\"\\[:cntrl:]]*\"|'[^'\\[:cntrl:]]*')"
line="local-zone:[[:blank:]]*${value}[[:blank:]]+[a-z_]+|local-data:[[:blank:]]*$value"
if bad=$(LC_ALL=C grep -aEvnm1 "^[[:blank:]]*($line)?[[:blank:]]*(#[^[:cntrl:]]*)?$" "$kept.new"); then
	refuse "line ${bad%%:*} is neither local-zone: \"NAME\" TYPE nor local-data: \"RECORD\""
fi

# unbound is asked about all of its configuration, with the new records in place of
# the old ones. Debian's has a directory, too.
sed -e "\\#$config\.d/\*\.conf#d" -e "s#${kept%?}\[${kept#"${kept%?}"}\]#$kept.new#" \
	"$config" "$config.d"/*.conf >"$kept.conf" 2>/dev/null || true
grep -qF "$kept.new" "$kept.conf" || refuse "$config does not include ${kept%?}[${kept#"${kept%?}"}]"
why=$(unbound-checkconf "$kept.conf" 2>&1) || refuse "$why"
rm "$kept.conf"
mv "$kept.new" "$kept"
