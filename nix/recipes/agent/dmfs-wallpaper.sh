#!/bin/sh
# dmfs-wallpaper.sh FILE KEPT COMMAND
# Keeps a copy of the picture FILE as KEPT, and runs COMMAND KEPT for each new one.
# Without a FILE, and for what is no picture, the last one stays.
set -eu
file=$1 kept=$2 command=$3
mkdir -p "${kept%/*}"
exec 9>"$kept.lock"
flock 9

cat "$file" >"$kept.new" 2>/dev/null || exit 0
if cmp -s "$kept.new" "$kept"; then
	rm "$kept.new"
	exit 0
fi
case $(head -c 8 "$kept.new" | od -An -tx1 | tr -d ' \n') in
89504e470d0a1a0a | ffd8ff*) ;;
*)
	echo "dmfs-wallpaper: $file is neither PNG nor JPEG" >&2
	exit 1
	;;
esac
mv "$kept.new" "$kept"
if ! "$command" "$kept" 9>&-; then
	rm "$kept" # so that the next look tries again
	exit 1
fi
