#!/bin/sh
# dmfs-facts.sh MOUNT KEY LIFETIME
# Publishes facts about this machine in the namespace facts, as lines of NAME=VALUE,
# signed with the identity KEY.
set -eu
mount=$1 key=$2 lifetime=$3

facts() {
	# NixOS: the running system, and the generation that boots next.
	closure=$(readlink /run/current-system) && echo "closure=$closure"
	profile=$(readlink /nix/var/nix/profiles/system) && profile=${profile#system-} && echo "generation=${profile%-link}"
	echo "kernel=$(uname -r)"
	df -B1 --output=size,avail / | {
		read -r _
		read -r size free
		echo "disk_total_bytes=$size"
		echo "disk_free_bytes=$free"
	}
	read -r uptime _ </proc/uptime
	echo "uptime_seconds=${uptime%.*}"
}

file=$(mktemp)
trap 'rm -f "$file"' EXIT
facts >"$file"
dmfs file update "$file" --namespace facts --key "$key" --ttl "$lifetime" --mount "$mount"
