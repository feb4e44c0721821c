#!/bin/sh
# Which Debian packages does a make target need, and how do they get onto this machine without starting anything?
#
#   sh test/support/packages.sh [--show] build|demo|check|bench|analyze    (called by the Makefile)
#
# --show: only prints the apt-get line for what is missing.
# Nothing missing: no output, no network, exit 0. Something missing: says what, installs it as root or through sudo.
# Where that is impossible: prints the apt-get line to run and exits 2.
#
# Debian starts and enables slapd, samba and apache2 when they are installed. Here they are only programs for tests, so
# the install runs under a policy-rc.d that denies every action (invoke-rc.d(8)), and every boot-time link it made is
# taken back afterwards. A policy-rc.d and services that were there before stay as they are.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL=C

# NAME is a Debian package; NAME=COMMAND counts as there when the command is, whoever packaged it (Node often comes from
# elsewhere, with npm inside, and then conflicts with Debian's npm).
build_set='gcc make pkg-config libc6-dev libmicrohttpd-dev libcjose-dev libldap-dev libcurl4-openssl-dev libjansson-dev
	libsqlite3-dev libssl-dev libinih-dev libcsv-dev libqrencode-dev liboauth2-dev'
demo_set="$build_set slapd ldap-utils openssl python3 python3-aiohttp python3-cryptography python3-jwcrypto"
check_set="$demo_set libcmocka-dev python3-pytest python3-pytest-timeout python3-pytest-xdist python3-authlib
	python3-ldap3 python3-requests python3-selenium samba samba-ad-dc samba-ad-provision samba-dsdb-modules ldb-tools
	389-ds-base libnss3-tools faketime jose apache2 libapache2-mod-auth-openidc libapache2-mod-oauth2 nodejs=node npm=npm chromium
	chromium-driver fonts-noto-core curl git iproute2 procps sqlite3 util-linux clang libclang-rt-14-dev"
bench_set="$demo_set wrk"
analyze_set="$build_set libcmocka-dev clang clang-tidy clang-format cppcheck"

policy=/usr/sbin/policy-rc.d
policy_mark='# Temporary: written by packages.sh while it installs, removed when it ends.'

say() { printf 'packages: %s\n' "$*" >&2; }

# Of the entries given, those that neither a package, nor a package's Provides, nor a command satisfies.
missing() {
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' | sed -n 's/^installed //p' |
		tr ',' '\n' | sed 's/^ *//; s/[ (:].*//')
	for entry in "$@"; do
		name=${entry%%=*}
		if [ "$name" != "$entry" ] && command -v "${entry#*=}" >/dev/null; then continue; fi
		printf '%s\n' "$installed" | grep -Fqx -- "$name" || printf '%s ' "$name"
	done
}

by_hand() {
	say "$1; as root, run this and try again:"
	shift
	printf 'apt-get install -y --no-install-recommends %s\n' "$*"
	exit 2
}

# What the machine starts at boot, plus the modules of an Apache that was here before us.
boot_links() {
	set -- /etc/systemd/system /etc/systemd/user /etc/rc[0-6S].d
	[ "$had_apache" = no ] || set -- "$@" /etc/apache2/mods-enabled /etc/apache2/conf-enabled
	for directory in "$@"; do
		[ ! -d "$directory" ] || find "$directory" -type l ! -lname /dev/null # a link to /dev/null is a mask: keep it
	done | sort
}

# Each kind of link goes the way its owner remembers, so that a later upgrade does not bring it back.
take_back() {
	case $1 in
	/etc/systemd/*) rm -f -- "$1" ;;
	/etc/rc?.d/S*) update-rc.d "$(basename "$1" | sed 's/^S[0-9]*//')" disable 2>&1 ;;
	/etc/apache2/mods-enabled/*) a2dismod -q -f "$(basename "$1" | sed 's/\.[a-z]*$//')" ;;
	/etc/apache2/conf-enabled/*) a2disconf -q -f "$(basename "$1" .conf)" ;;
	esac >/dev/null
}

finish() {
	trap - EXIT INT TERM HUP
	boot_links >"$work/after"
	comm -13 "$work/before" "$work/after" | while read -r link; do
		[ ! -L "$link" ] || take_back "$link" || say "could not take back $link"
	done
	[ ! -d /run/systemd/system ] || systemctl daemon-reload || :
	if grep -Fqx "$policy_mark" "$policy" 2>/dev/null; then rm -f "$policy"; fi
	rm -rf "$work"
}

# A policy left by a killed run of ours (it bears the mark) is taken over; any other one is the administrator's.
deny_services() {
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
		chmod 755 "$policy"
	fi
	verdict=0
	"$policy" slapd start >/dev/null 2>&1 || verdict=$?
	[ "$verdict" -eq 101 ] || by_hand "$policy lets new services start (it answers $verdict, not 101)" "$@"
}

apt() {
	env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		"$@" </dev/null >&2 9<&-
}

# What Ctrl-C or a power cut left half unpacked, here or in anybody's apt-get: apt-get refuses until dpkg has ended it.
end_interrupted() {
	[ -n "$(ls /var/lib/dpkg/updates)" ] || return 0
	say 'ending an installation that was interrupted'
	env DEBIAN_FRONTEND=noninteractive dpkg --configure -a </dev/null >&2 9<&- || :
}

install_as_root() {
	exec 9</var/lib/dpkg # two runs at once: the second must not lose the first one's policy-rc.d
	flock -w 900 9 || by_hand 'another installation does not end' "$@"
	# shellcheck disable=SC2046 # package names hold no blanks
	set -- $(missing "$@")
	[ $# -gt 0 ] || return 0
	work=$(mktemp -d)
	had_apache=no
	[ ! -d /etc/apache2/mods-enabled ] || had_apache=yes
	boot_links >"$work/before"
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	deny_services "$@"
	end_interrupted
	if ! apt-get -qq -s install --no-install-recommends "$@" >/dev/null 2>&1; then apt update || :; fi
	apt install -y --no-install-recommends "$@" || {
		apt update && apt install -y --no-install-recommends "$@"
	} || by_hand 'apt-get failed' "$@"
}

show=no
[ "${1-}" != --show ] || { show=yes && shift; }
case ${1-} in
build) wanted=$build_set ;;
demo) wanted=$demo_set ;;
check) wanted=$check_set ;;
bench) wanted=$bench_set ;;
analyze) wanted=$analyze_set ;;
--install) # what the script calls itself with, through sudo
	shift
	install_as_root "$@"
	exit 0
	;;
*)
	echo 'usage: packages.sh [--show] build|demo|check|bench|analyze' >&2
	exit 64
	;;
esac

# shellcheck disable=SC2046,SC2086 # package names hold no blanks
set -- $(missing $wanted)
[ $# -gt 0 ] || exit 0
[ "$show" = no ] || { printf 'by hand: apt-get install -y --no-install-recommends %s\n' "$*" && exit 0; }
say "missing: $*"
if [ "$(id -u)" -eq 0 ]; then
	install_as_root "$@"
elif ! command -v sudo >/dev/null; then
	by_hand 'not root and there is no sudo' "$@"
elif sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; then
	sudo sh "$0" --install "$@"
else
	by_hand 'not root and sudo needs a password' "$@"
fi
