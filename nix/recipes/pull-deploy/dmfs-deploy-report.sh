#!/bin/sh
# dmfs-deploy-report.sh [MOUNT]
# Prints how far each machine is with the target. Exit code 1: one has not done it.
# What machines say is shown in so far as it is of the right form.
set -eu
mount=${1:-/run/data-mesher}
target=$(sha256sum <"$mount/deploy/target" | cut -c 1-64)
bad=0

# value NAME FORM
value() {
	head -c 4096 "$file" | LC_ALL=C sed -En "s#^$1=($2)\$#\\1#p" | head -n 1
}

printf '%-16s %-8s %-11s %-20s %s\n' MACHINE STATE GENERATION SIGNED REFERENCE
for file in "$mount"/deployed/by-name/*; do
	[ -f "$file" ] || continue
	state=$(value state '[a-z]+')
	[ "$(value target '[0-9a-f]{64}')" = "$target" ] || state=behind
	[ "$state" = 'done' ] || bad=1
	machine=$(echo "${file##*/}" | LC_ALL=C tr -cd '[:print:]')
	signed=$(stat -L -c %y "$file" | cut -c 1-19)
	printf '%-16s %-8s %-11s %-20s %s\n' "$machine" "$state" "$(value generation '[0-9]{1,9}')" "$signed" \
		"$(value reference '[[:print:]]*') $(value reason '[[:print:]]*')"
done
exit $bad
