#!/bin/sh
# dmfs-deploy.sh MOUNT STATE KEY COMMAND
# Runs COMMAND in a checkout of what MOUNT/deploy/target refers to, once for each new
# content of that file, and reports in the namespace deployed, signed with the
# identity KEY. STATE is a directory. Exit codes: 1 the last deployment failed, 75
# the checkout did, and may be tried again.
set -eu
mount=$1 state=$2 key=$3 command=$4
cd "$state"
exec 9>lock
flock 9

# report WHAT [REASON] says how it goes with the target in the file current.
report() {
	{
		echo "state=$1"
		echo "reference=$(head -n 1 current | head -c 1000)"
		echo "target=$(sha256sum <current | cut -c 1-64)"
		profile=$(readlink /nix/var/nix/profiles/system) && profile=${profile#system-} && echo "generation=${profile%-link}"
		[ -z "${2-}" ] || echo "reason=$2"
	} >report.new
	if cmp -s report.new report; then return; fi
	mv report.new report
	rm -f published
	publish
}

# publish is tried again at the next start when it fails; nothing waits for it.
publish() {
	if dmfs file update report --namespace deployed --key "$key" --mount "$mount"; then : >published; fi
}

# parse takes the reference in current apart, or says what is wrong with it.
parse() {
	reference=$(head -n 1 current)
	case $reference in
	*[!A-Za-z0-9+/:=?\&%._~@-]*) wrong='the reference has characters that none has' ;;
	git+https://*\?* | git+ssh://*\?* | git+file:///*\?*) wrong='' ;;
	*) wrong='the reference does not begin with git+https://, git+ssh:// or git+file:///' ;;
	esac
	url=${reference#git+} url=${url%%\?*}
	revision=$(echo "${reference#*\?}" | tr '&' '\n' | sed -n 's/^rev=\([0-9a-f]\{40\}\)$/\1/p')
	[ -n "$wrong$revision" ] || wrong='the reference has no rev= with 40 digits'
}

checkout() {
	rm -rf checkout
	git init -q checkout
	cd checkout
	git fetch -q --depth 1 "$url" "$revision"
	git checkout -q --detach "$revision"
}

rebuild() {
	cd checkout
	"$command" "$reference" 9>&-
}

# try FUNCTION runs it until the first command that fails; the file succeeded says
# whether there was none. What it prints is shown, and its last line is kept.
try() {
	rm -f succeeded
	{
		"$1"
		: >"$state/succeeded"
	} 2>&1 </dev/null | tee log
	reason=$(tail -n 1 log | LC_ALL=C tr -cd '[:print:]' | head -c 200)
}

# begin has the target count as done with, for good: better not at all than twice.
begin() {
	cp current begun.new
	sync begun.new
	mv begun.new begun
	sync .
}

deploy() {
	mv target current
	parse
	if [ -n "$wrong" ]; then
		begin
		report failed "$wrong"
		return
	fi
	try checkout
	if [ ! -e succeeded ]; then
		report failed "${reason:-git says nothing}"
		exit 75
	fi
	begin
	report running
	try rebuild
	if [ -e succeeded ]; then report 'done'; else report failed "${reason:-the command says nothing}"; fi
}

if [ -e report ] && grep -q '^state=running$' report; then
	report failed 'interrupted'
elif [ -e report ] && [ ! -e published ]; then
	publish
fi
while cat "$mount/deploy/target" >target 2>/dev/null && ! cmp -s target begun; do
	deploy
done
rm -f target
[ ! -e report ] || grep -q '^state=done$' report
