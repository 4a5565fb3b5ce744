#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian package under a real systemd: builds it, boots a container of a Debian release, installs
# it there and runs guest.sh. Run by hand, as root; neither "meson test" nor CI does it yet:
#
#   bash tests/systemd/run.sh bookworm|trixie [DIRECTORY-WITH-DEBS]
#
# Trees are made once and kept in ~/.cache/usher-tests/systemd. Exit status 77: cannot run here.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/../../packaging/lib.sh"

suite=${1-}
debs=${2-}
trees=$cache/systemd
here=$repository/tests/systemd
id=usher-test-$$
work=

# shellcheck disable=SC2317 # called by the trap
leave_cgroups() {
  local hierarchy

  for hierarchy in systemd unified; do
    echo $$ >"/sys/fs/cgroup/$hierarchy/cgroup.procs" || true
  done
  echo 1 >"/sys/fs/cgroup/unified/$id/cgroup.kill" || true
  for hierarchy in systemd unified; do
    # The groups of the guest's units go with their processes, from the leaves on.
    find "/sys/fs/cgroup/$hierarchy/$id" -depth -type d -exec rmdir {} + || true
  done
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
  leave_cgroups 2>/dev/null
  [ -z "$work" ] || rm -rf "$work"
}

skip() {
  say "SKIPPED: no real systemd ($*)"
  [ -z "${USHER_REQUIRE-}" ] && [ "${CI-}" != true ] || exit 1
  exit 77
}

mirror() {
  local codename

  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  # shellcheck disable=SC2016 # apt-get expands these.
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v codename="$codename" '$1 == codename && $2 == "main" { print $3; exit }'
}

# What usher depends on is in the tree, so that the guest needs no network.
tree_packages() {
  local t64=

  [ "$suite" = bookworm ] || t64=t64
  printf %s "systemd,systemd-sysv,dbus,procps,passwd,libsystemd0,"
  printf %s "libuv1$t64,libcjson1,libinih1,libncursesw6"
}

# Known by its package list: with another one it is made anew.
make_tree() {
  local packages tree=$trees/$suite

  packages=$(tree_packages)
  [ "$(cat "$tree.packages" 2>/dev/null)" = "$packages" ] && [ -d "$tree" ] && return
  say "making a tree of $suite"
  mkdir -p "$trees"
  rm -rf "$tree.new"
  quietly mmdebstrap --variant=apt --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    "$suite" "$tree.new" "$(mirror)" || skip "no tree of $suite could be made"
  rm -rf "$tree"
  mv "$tree.new" "$tree"
  printf %s "$packages" >"$tree.packages"
}

# The same package with a higher version, to upgrade to.
make_newer() {
  local tree=$work/newer

  dpkg-deb -R "$1" "$tree"
  sed -i 's/^Version: .*/&+1/' "$tree/DEBIAN/control"
  quietly dpkg-deb --root-owner-group -b "$tree" "$work/ci/newer.deb"
}

prepare() {
  work=$(mktemp -d)
  mkdir -p "$work/ci" "$work/out/journal"
  if [ -z "$debs" ]; then
    debs=$work/debs
    bash "$repository/packaging/deb.sh" "$debs"
  fi
  cp "$debs"/usher_*.deb "$work/ci/usher.deb"
  make_newer "$work/ci/usher.deb"
  cp "$here/guest.sh" "$work/ci/test.sh"
  cp "$here/usher-test.service" "$work/ci/"
}

enter_cgroups() {
  local hierarchy

  for hierarchy in systemd unified; do
    if ! mkdir "/sys/fs/cgroup/$hierarchy/$id" 2>/dev/null ||
      ! echo $$ 2>/dev/null >"/sys/fs/cgroup/$hierarchy/$id/cgroup.procs"; then
      skip "/sys/fs/cgroup/$hierarchy cannot be used"
    fi
  done
}

boot() {
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout -k 10 180 systemd-nspawn -q -D "$trees/$suite" \
    --volatile=overlay --machine="$id" --register=no --keep-unit --private-network \
    --link-journal=no --resolv-conf=off --timezone=off --console=pipe --system-call-filter=bpf \
    --bind="$work/out:/out" --bind="$work/out/journal:/var/log/journal" --bind-ro="$work/ci:/ci" \
    --bind-ro="$work/ci/usher-test.service:/etc/systemd/system/usher-test.service" \
    --boot systemd.unit=multi-user.target systemd.wants=usher-test.service systemd.show_status=0 \
    </dev/null >"$work/out/nspawn.log" 2>&1
}

main() {
  local status=0

  case $suite in
    bookworm | trixie) ;;
    *) say 'usage: tests/systemd/run.sh bookworm|trixie [DIRECTORY-WITH-DEBS]' && exit 2 ;;
  esac
  [ "$(id -u)" = 0 ] || skip 'not root'
  need systemd-container mmdebstrap debian-archive-keyring
  make_tree
  trap clean_up EXIT
  prepare
  enter_cgroups
  boot || status=$?
  cat "$work/out/test.log" 2>/dev/null || true
  if [ ! -e "$work/out/done" ]; then
    [ -e "$work/out/test.log" ] || cat "$work/out/nspawn.log" >&2
    say "$suite: the guest's tests did not end (status $status)"
    journalctl -D "$work/out/journal" --no-pager -n 60 -o short-monotonic >&2 2>/dev/null || true
    exit 1
  fi
  exit "$(cat "$work/out/done")"
}

main
