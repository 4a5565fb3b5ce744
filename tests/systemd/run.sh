#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian package under a real systemd: for each Debian release it makes a tree, builds the package
# in it, boots it as a container, installs the package there and runs guest.sh, which counts.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/../../packaging/lib.sh"

trees=$cache/systemd
here=$repository/tests/systemd
results=
work=
hierarchies=() # where the guest's control groups are made

usage() {
  cat <<'END_OF_USAGE'
usage: tests/systemd/run.sh [--results FILE] [bookworm|trixie]...

Both releases if none is named. To FILE goes a line for each: release, seconds, and how many checks
passed, failed and were skipped. Needs root, or sudo. Trees and packages are made once, and kept in
~/.cache/usher-tests/systemd. Exit status 77: this cannot run here. In the environment:

  USHER_REQUIRE=1, CI=true   that is a failure
  USHER_HANDOFF=             connections need not outlive a restart of the broker
  USHER_KEEP=1               keep the guests' journals, and what else they have left
END_OF_USAGE
}

# report RELEASE SECONDS PASSED FAILED SKIPPED
report() {
  printf '%s: %s passed, %s failed, %s skipped in %s s\n' "$1" "$3" "$4" "$5" "$2"
  [ -z "$results" ] || printf '%s\n' "$*" >>"$results"
}

# skip REASON: nothing can be run here.
skip() {
  local suite

  say "SKIPPED: no real systemd ($*)"
  for suite in "${suites[@]}"; do
    report "$suite" 0 0 0 1
  done
  must_not_skip && exit 1
  exit 77
}

become_root() {
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null || skip 'not root, and there is no sudo'
  sudo -v || skip 'not root, and sudo is not allowed'
  exec sudo -H env "CI=${CI-}" "USHER_REQUIRE=${USHER_REQUIRE-}" \
    "USHER_HANDOFF=${USHER_HANDOFF-1}" "USHER_KEEP=${USHER_KEEP-}" bash "$0" "$@"
}

# ---- control groups ----
# The one who boots a container puts it into a group of its own: this works without a systemd on this
# side, and everything in the group can be killed at once.

find_hierarchies() {
  local directory=/sys/fs/cgroup

  if [ -e "$directory/cgroup.procs" ]; then
    hierarchies=("$directory")
  elif [ -e "$directory/unified/cgroup.procs" ] && [ -d "$directory/systemd" ]; then
    hierarchies=("$directory/systemd" "$directory/unified")
  else
    skip "no control groups of version 2 in $directory"
  fi
  make_groups "usher-test-$$" 2>/dev/null || skip "$directory cannot be written"
  remove_groups "usher-test-$$"
}

make_groups() {
  local hierarchy

  for hierarchy in "${hierarchies[@]}"; do
    mkdir "$hierarchy/$1" || return
  done
}

enter_groups() {
  local hierarchy

  for hierarchy in "${hierarchies[@]}"; do
    echo "$BASHPID" >"$hierarchy/$1/cgroup.procs" || return
  done
}

# remove_groups NAME: and all that runs in them; the groups of the guest's units from the leaves on.
remove_groups() {
  local hierarchy i

  for ((i = 0; i < 50; i++)); do
    for hierarchy in "${hierarchies[@]}"; do
      [ ! -e "$hierarchy/$1/cgroup.kill" ] || echo 1 >"$hierarchy/$1/cgroup.kill"
      [ ! -d "$hierarchy/$1" ] || find "$hierarchy/$1" -depth -type d -exec rmdir {} + || true
    done 2>/dev/null
    [ -d "${hierarchies[-1]}/$1" ] || return 0
    sleep 0.1
  done
  say "control groups are left: ${hierarchies[-1]}/$1"
}

# in_container SUITE SECONDS NAME NSPAWN-ARGUMENT...: nothing of what is done there stays in the tree.
in_container() (
  suite=$1 seconds=$2 group=usher-test-$$-$3
  shift 3
  make_groups "$group" || exit
  (
    enter_groups "$group" || exit
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    exec timeout -k 10 "$seconds" systemd-nspawn -q -D "$(tree_of "$suite")" --volatile=overlay \
      --machine="$group" --register=no --keep-unit --private-network --link-journal=no \
      --resolv-conf=off --timezone=off --console=pipe --system-call-filter=bpf "$@"
  ) </dev/null || status=$?
  remove_groups "$group"
  return "${status-0}"
)

# shellcheck disable=SC2317 # called by the trap
clean_up() {
  local group

  if [ "${#hierarchies[@]}" != 0 ]; then
    for group in "${hierarchies[-1]}/usher-test-$$"*; do
      [ ! -d "$group" ] || remove_groups "${group##*/}"
    done
  fi
  if [ -n "${USHER_KEEP-}" ]; then
    say "kept: $work"
  else
    rm -rf "$work"
  fi
}

# ---- the trees and the packages ----

# What usher is built with is in the tree, so that the package is the release's own and needs no
# network to be installed.
tree_packages() {
  printf '%s\n' systemd systemd-sysv dbus procps passwd
  deb_packages "$1"
}

# A tree is known by its packages: with others it is another one.
tree_of() {
  printf '%s/%s-%s' "$trees" "$1" "$(tree_packages "$1" | sha256sum | cut -c 1-12)"
}

make_tree() {
  local suite=$1 tree

  tree=$(tree_of "$suite")
  mkdir -p "$trees"
  (
    flock 9
    if [ ! -d "$tree" ]; then
      say "making a tree of $suite"
      rm -rf "$tree.new"
      quietly timeout 600 mmdebstrap --variant=apt \
        --include="$(tree_packages "$suite" | paste -sd ,)" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$tree.new" "$(mirror)"
      mv "$tree.new" "$tree"
    fi
    touch "$tree"
  ) 9>"$trees/$suite.lock"
}

forget_old_trees() {
  find "$trees" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
}

# build_debs SUITE SOURCE TO: usher.deb, and the same with higher versions, to upgrade to.
build_debs() {
  local suite=$1 source=$2 to=$3 name

  mkdir -p "$to"
  quietly in_container "$suite" 300 "$suite-build" --bind="${source%/*}:/build" \
    --chdir="/build/${source##*/}" --setenv=DEB_BUILD_OPTIONS='parallel=2 noautodbgsym' \
    dpkg-buildpackage -us -uc -b
  dpkg-deb -R "${source%/*}"/usher_*.deb "$to/tree"
  for name in usher newer newest; do
    quietly dpkg-deb --root-owner-group -Znone -b "$to/tree" "$to/$name.deb"
    sed -i 's/^Version: .*/&+1/' "$to/tree/DEBIAN/control"
  done
  rm -r "$to/tree"
}

# make_debs SUITE: into its ci directory; built only if the sources, but for the tests, have changed.
make_debs() {
  local suite=$1 source=$work/$1/build/usher debs

  export_source "$source"
  find "$source/tests" -mindepth 1 -maxdepth 1 ! -name bench -exec rm -r {} + # there usher-bench is
  touch "$source/tests/meson.build"
  debs=$(tar -C "$source" --sort=name --mtime=@0 --owner=0 --group=0 -cf - . | sha256sum | cut -c 1-12)
  debs=$(tree_of "$suite")-debs-$debs
  if [ ! -d "$debs" ]; then
    build_debs "$suite" "$source" "$work/$suite/debs"
    cp -r "$work/$suite/debs" "$debs.new.$$"
    mv -T "$debs.new.$$" "$debs" || rm -r "$debs.new.$$"
  fi
  touch "$debs"
  cp "$debs"/*.deb "$work/$suite/ci/"
}

# prepare SUITE: what came of it is in a file. Without a mirror there is no tree: that is a skip.
prepare() {
  mkdir -p "$work/$1/ci"
  cp "$here"/guest* "$here/usher-test.service" "$work/$1/ci"
  echo "USHER_HANDOFF=${USHER_HANDOFF-1}" >"$work/$1/ci/environment"
  echo 'no tree could be made' >"$work/$1/skipped"
  make_tree "$1"
  rm "$work/$1/skipped"
  make_debs "$1"
  touch "$work/$1/is_ready"
}

# The releases at once: one downloads while the other one compiles.
prepare_all() {
  local suite

  for suite in "${suites[@]}"; do
    (prepare "$suite") &
  done
  wait
}

# ---- the guests ----

boot() {
  local suite=$1 out=$work/$1/out

  in_container "$suite" 420 "$suite" --bind="$out:/out" --bind="$out/journal:/var/log/journal" \
    --bind-ro="$work/$suite/ci:/ci" \
    --bind-ro="$work/$suite/ci/usher-test.service:/etc/systemd/system/usher-test.service" \
    --boot systemd.unit=multi-user.target systemd.wants=usher-test.service systemd.show_status=0 \
    >"$out/nspawn.log" 2>&1
}

# run_guest SUITE: what it has counted, in counts. One that did not come to its end has failed.
run_guest() {
  local suite=$1 out=$work/$1/out status=0

  mkdir -p "$out/journal"
  boot "$suite" || status=$?
  cat "$out/test.log" || true
  read -ra counts <"$out/done" && [ "${#counts[@]}" = 2 ] && return
  say "$suite: the guest's tests did not end (status $status)"
  [ -s "$out/test.log" ] || cat "$out/nspawn.log" >&2
  journalctl -D "$out/journal" --no-pager -n 60 -o short-monotonic >&2 2>/dev/null || true
  counts=(0 1)
}

run_suite() {
  local suite=$1 begin=$SECONDS
  local -a counts

  if [ -e "$work/$suite/skipped" ]; then
    say "SKIPPED: $suite: $(cat "$work/$suite/skipped")"
    report "$suite" 0 0 0 1
    must_not_skip && return 1
    return 0
  elif [ ! -e "$work/$suite/is_ready" ]; then
    say "$suite: the package could not be built"
    report "$suite" 0 0 1 0
    return 1
  fi
  echo "-- $suite"
  run_guest "$suite"
  report "$suite" "$((SECONDS - begin))" "${counts[@]}" 0
  [ "${counts[1]}" = 0 ] && [ "${counts[0]}" != 0 ]
}

main() {
  local suite status=0 begin=$SECONDS
  local -a suites=() given=("$@")

  while [ $# -gt 0 ]; do
    case $1 in
      --results) results=$2 && shift ;;
      --help) usage && exit 0 ;;
      bookworm | trixie) suites+=("$1") ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift
  done
  [ "${#suites[@]}" != 0 ] || suites=(bookworm trixie)
  become_root ${given[@]+"${given[@]}"}
  need git systemd-container mmdebstrap debian-archive-keyring
  work=$(mktemp -d)
  trap clean_up EXIT
  find_hierarchies
  prepare_all
  echo "trees and packages: $((SECONDS - begin)) s"
  for suite in "${suites[@]}"; do
    run_suite "$suite" || status=1
  done
  forget_old_trees
  exit "$status"
}

main "$@"
