#!/bin/sh
# dmfs-facts-textfile.sh MOUNT DIR
# Writes the facts of all machines as DIR/dmfs_facts.prom, for node_exporter. One
# wrong line would cost the facts of all; so of each file, which may say anything,
# nothing is taken but the first line of a name whose value is of the right form.
set -eu
mount=$1 dir=$2
exec 9>"$dir/.dmfs_facts.lock"
flock 9

# value FILE NAME FORM
value() {
	head -c 4096 "$1" | LC_ALL=C sed -En "s#^$2=($3)\$#\\1#p" | head -n 1
}

# each FUNCTION ARGUMENT... calls it with MACHINE and FILE in front of the arguments.
each() {
	function=$1
	shift
	for file in "$mount"/facts/by-name/*; do
		machine=${file##*/}
		case $machine in
		*[!A-Za-z0-9._-]*) continue ;;
		esac
		[ ! -f "$file" ] || "$function" "$machine" "$file" "$@"
	done
}

number() {
	n=$(value "$2" "$3" '[0-9]{1,18}')
	[ -z "$n" ] || echo "dmfs_machine_$3{machine=\"$1\"} $n"
}

info() {
	kernel=$(value "$2" kernel '[A-Za-z0-9._+-]{1,100}')
	closure=$(value "$2" closure '/nix/store/[A-Za-z0-9._+?=-]{1,200}')
	echo "dmfs_machine_info{machine=\"$1\",kernel=\"$kernel\",closure=\"$closure\"} 1"
}

signed() {
	# Gone in between is no mistake: it is over, or a newer one is there.
	at=$(stat -L -c %Y "$2") && echo "dmfs_machine_signed_timestamp_seconds{machine=\"$1\"} $at"
}

{
	for name in generation uptime_seconds disk_total_bytes disk_free_bytes; do
		echo "# TYPE dmfs_machine_$name gauge"
		each number "$name"
	done
	echo '# TYPE dmfs_machine_info gauge'
	each info
	echo '# TYPE dmfs_machine_signed_timestamp_seconds gauge'
	each signed || true
} >"$dir/.dmfs_facts.new"
chmod 644 "$dir/.dmfs_facts.new"
mv "$dir/.dmfs_facts.new" "$dir/dmfs_facts.prom"
