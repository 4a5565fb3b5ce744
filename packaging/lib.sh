# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts share: Debian packages, build directories, quiet commands.
# shellcheck disable=SC2034 # repository and cache are for the scripts that read this file.

set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/usher-tests

build_packages=(gcc libc6-dev meson ninja-build pkg-config python3
  libcjson-dev libinih-dev libncurses-dev libsystemd-dev libuv1-dev libxxhash-dev scdoc)

say() {
  printf '%s\n' "$*" >&2
}

# A skipped test is a failure.
must_not_skip() {
  [ "${CI-}" = true ] || [ -n "${USHER_REQUIRE-}" ]
}

die() {
  say "${0##*/}: $*"
  exit 1
}

# quietly COMMAND...: its output only if it fails, and then its status.
quietly() {
  local log status=0

  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" != 0 ]; then
    say "failed with status $status: $*"
    cat "$log" >&2
  fi
  rm -f "$log"
  return "$status"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this must be done as root, and there is no sudo: $*"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@"
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need PACKAGE...: install those that are missing; says nothing and takes no time if none is.
need() {
  local package missing=()

  command -v dpkg-query >/dev/null ||
    die "this works on Debian 12 and 13; elsewhere install by hand what Debian calls: $*"
  for package; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing: ${missing[*]}"
  if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
    # The password is asked for here, where the terminal is still at hand.
    sudo -v || die "sudo is needed to install packages"
  fi
  quietly apt_get update || die "apt-get update failed"
  quietly apt_get install --no-install-recommends -y "${missing[@]}" || die "apt-get install failed"
}

# release_of ROOT: the code name of the Debian there; of this machine's for "".
release_of() {
  sed -n 's/^VERSION_CODENAME=//p' "$1/etc/os-release"
}

# mirror: the one that this machine already uses for its own release.
mirror() {
  # shellcheck disable=SC2016 # apt-get expands these.
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v codename="$(release_of '')" '$1 == codename && $2 == "main" { print $3; exit }'
}

# deb_packages RELEASE: what debian/control asks for. Where units go is told by systemd-dev, on
# Debian 12 by systemd.
deb_packages() {
  local units=systemd-dev

  [ "$1" != bookworm ] || units=systemd
  printf '%s\n' build-essential debhelper pkgconf "$units" "${build_packages[@]}"
}

# export_source DIRECTORY: all tracked files as they are here, changes included, those deleted here
# left out, laid out as a Debian source package.
export_source() {
  local file

  mkdir -p "$1"
  git -C "$repository" ls-files -z |
    while IFS= read -r -d '' file; do
      [ ! -e "$repository/$file" ] || printf '%s\0' "$file"
    done |
    tar -C "$repository" --null --files-from=- -cf - |
    tar -C "$1" -xf -
  mv "$1/packaging/debian" "$1/debian"
}

# build DIRECTORY OPTION...: configure (once, or again if the options or the checkout's place have
# changed) and compile, all or $build_target; fails if that fails.
build() {
  local directory=$1 want have

  shift
  want=$(printf '%s\n' "$repository" "CC=${CC-}" "$@")
  have=$(cat "$directory/usher-options" 2>/dev/null || true)
  if [ ! -f "$directory/build.ninja" ] || [ "$want" != "$have" ]; then
    rm -rf "$directory"
    quietly meson setup "$directory" "$repository" "$@" || return
    printf '%s\n' "$want" >"$directory/usher-options"
  fi
  quietly meson compile -C "$directory" ${build_target:+"$build_target"}
}

# built DIRECTORY NAME: the path of a program that was built.
built() {
  meson introspect --targets "$1" | python3 -c '
import json, sys
for target in json.load(sys.stdin):
    if target["name"] == sys.argv[1] and target["type"] == "executable":
        print(target["filename"][0])
' "$2"
}
