#!/usr/bin/env bash
# The README's two commands on a bare Debian 12: proves that the repository asks for nothing that it does not install. See --help.
set -euo pipefail

usage() {
  cat <<'END'
Usage: tests/fresh_machine.sh [--worktree] [--cache DIR] [--keep] [-- COMMAND...]

Makes a bare Debian 12 root with debootstrap in a temporary folder, puts the committed tree (HEAD) into it, and runs there, one
after the other:

  ./quickstart.sh --once
  ./test.sh

Afterwards no process may be left. Needs root, debootstrap, and the network for packages; not part of ctest. The root is removed
at the end; mounts and processes live in namespaces of their own and go with them.

  --worktree   put the work tree in, with all that git does not ignore, in place of HEAD
  --cache DIR  keep downloaded packages there for the next run
  --keep       keep the root (its path is printed)
  -- COMMAND   run this command in place of the two
END
}

readonly suite=bookworm
readonly mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly repo

say() { printf '=== %s\n' "$*"; }
die() {
  echo "fresh_machine.sh: $*" >&2
  exit 2
}

# --- Second stage, inside the namespaces: becomes the fresh machine. Arguments: the root, the cache (or ""), the commands. ---
enter() {
  local root=$1 cache=$2
  shift 2
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  if [[ -n $cache ]]; then
    mount --bind "$cache" "$root/var/cache/apt/archives"
  fi
  local command begin
  for command in "$@"; do
    say "$command"
    begin=$SECONDS
    env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
      chroot "$root" bash -c "cd /srv/switchyard && $command"
    say "$command: done in $((SECONDS - begin)) s"
    check_no_process_left
  done
}

# This namespace holds this shell alone (and kernel threads, which have no command line), unless something was left behind.
check_no_process_left() {
  local proc words left=
  for proc in "$root_proc"/[0-9]*; do
    words=$(tr '\0' ' ' <"$proc/cmdline" 2>/dev/null) || continue
    if [[ ${proc##*/} != 1 && -n $words ]]; then
      left+="  ${proc##*/} $words"$'\n'
    fi
  done
  [[ -z $left ]] || die "processes were left behind:"$'\n'"$left"
}

if [[ ${1:-} == --inside ]]; then
  readonly root_proc=$2/proc
  enter "${@:2}"
  exit 0
fi

# --- First stage: makes the root. ---
worktree=false
cache=
keep=false
commands=('./quickstart.sh --once' './test.sh')
while [[ $# -gt 0 ]]; do
  case "$1" in
    --worktree) worktree=true ;;
    --cache)
      [[ -n ${2:-} ]] || die "--cache needs a folder"
      mkdir -p "$2"
      cache=$(realpath "$2")
      shift
      ;;
    --keep) keep=true ;;
    -h | --help) usage; exit 0 ;;
    --)
      shift
      [[ $# -gt 0 ]] || die "no command after --"
      commands=("$*")
      break
      ;;
    *) die "unknown option $1 (see --help)" ;;
  esac
  shift
done
[[ $(id -u) -eq 0 ]] || die "must run as root: it makes a root file system and mounts"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/switchyard-fresh-XXXXXX")
readonly root
clean_up() {
  if $keep; then
    say "the root is kept: $root"
  else
    rm -rf --one-file-system "$root"
  fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

say "debootstrap $suite from $mirror into $root"
debootstrap --variant=minbase ${cache:+--cache-dir="$cache"} "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
  tail -n 20 "$root.log" >&2
  die "debootstrap failed; all of its output is in $root.log"
}
rm -f "$root.log"

# How this host reaches the network and Debian is the fresh machine's too; its other package sources are not.
cp /etc/resolv.conf "$root/etc/resolv.conf"
copied=false
while IFS= read -r file; do
  $copied || rm -f "$root/etc/apt/sources.list"
  copied=true
  cp "$file" "$root${file}"
done < <(grep -lE '^(URIs:|deb ).*debian' /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
  /etc/apt/sources.list.d/*.sources 2>/dev/null)
while IFS= read -r file; do
  cp "$file" "$root${file}"
done < <(grep -lE '^[[:space:]]*Acquire' /etc/apt/apt.conf /etc/apt/apt.conf.d/* 2>/dev/null)

# What every installed system has, and debootstrap leaves to the installer.
printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >"$root/etc/hosts"

mkdir -p "$root/srv/switchyard"
if $worktree; then
  say "the work tree of $repo"
  (cd "$repo" && git ls-files -z --cached --others --exclude-standard |
    tar cf - --null --ignore-failed-read -T - 2>/dev/null) | tar xf - -C "$root/srv/switchyard"
else
  say "commit $(git -C "$repo" log -1 --format='%h %s')"
  git -C "$repo" archive HEAD | tar xf - -C "$root/srv/switchyard"
fi

unshare --mount --propagation private --pid --fork --kill-child \
  "$repo/tests/fresh_machine.sh" --inside "$root" "$cache" "${commands[@]}"
say "fresh machine: all done in $SECONDS s"
