# SPDX-License-Identifier: MIT
# packages.sh - sourced by ./demo and ./check: installs Debian packages that are missing, and nothing else.

# What the build needs, and what is measured or watched in the demonstration.
PACKAGES_BUILD="gcc libc6-dev meson ninja-build pkg-config libncurses-dev libdw-dev libiberty-dev
	libjson-c-dev"
PACKAGES_DEMO="redis-server redis-tools"
# The packages of Debian 12; the test suite's name carries python's version.
PACKAGES_CHECK="g++ git libcmocka-dev libunwind8 python3 redis-server redis-tools memcached nginx-light postgresql setpriv:util-linux
	tmux jq curl mandoc procps perl gzip xz-utils valgrind"
# What tests/bench measures against and what it measures with; ./check does without.
PACKAGES_BENCH="libjemalloc2 libtcmalloc-minimal4 libgoogle-perftools4 libmimalloc2.0 heaptrack valgrind python3 lua5.4 sqlite3
	ghostscript g++ perl node:nodejs redis-server redis-tools nginx-light wrk postgresql setpriv:util-linux"

# missing NAME...: prints those that are not installed.  PROVIDED:PACKAGE means that a program or a package will do.
missing() {
	for p; do
		case $p in
		*:*) command -v "${p%%:*}" >/dev/null || printf '%s ' "${p##*:}" ;;
		*) dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$p" ;;
		esac
	done
}

# install NAME...: installs what is missing; false when that failed.
install() {
	lacking=$(missing "$@")
	[ -n "$lacking" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "This is no Debian machine; please install what corresponds to: $lacking" >&2
		return 1
	fi
	sudo=
	[ "$(id -u)" -eq 0 ] || sudo=sudo
	echo "Installing: $lacking"
	# shellcheck disable=SC2086 # a list of words on purpose
	set -- $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $lacking
	echo "+ $*"
	"$@" && return 0
	# A machine that has never been asked has no lists yet.
	echo "+ $sudo apt-get update"
	$sudo apt-get update -q || return 1
	echo "+ $*"
	"$@"
}
