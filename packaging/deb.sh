#!/bin/bash
# SPDX-License-Identifier: MIT
# Build the Debian packages from a clean copy of what git tracks here, and put them into a directory.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

# The copy is not below the repository, and all of it goes away again.
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# What debian/control asks for; where units go is told by systemd-dev, on Debian 12 by systemd.
build_dependencies() {
  local units=systemd-dev

  ! grep -q '^VERSION_ID="12"' /etc/os-release || units=systemd
  printf '%s\n' git build-essential debhelper pkgconf "$units" "${build_packages[@]}"
}

# Tracked files as they are here, changes included; those deleted here are left out.
export_tree() {
  local file

  git -C "$repository" ls-files -z |
    while IFS= read -r -d '' file; do
      [ ! -e "$repository/$file" ] || printf '%s\0' "$file"
    done |
    tar -C "$repository" --null --files-from=- -cf - |
    tar -C "$1" -xf -
  mv "$1/packaging/debian" "$1/debian"
}

main() {
  local to=${1-}
  local -a packages

  if [ $# != 1 ] || [ "$to" = --help ]; then
    say 'usage: packaging/deb.sh DIRECTORY'
    [ "$to" = --help ] && exit 0
    exit 2
  fi
  mapfile -t packages < <(build_dependencies)
  need "${packages[@]}"
  mkdir -p "$to"
  work=$(mktemp -d)
  mkdir "$work/usher"
  export_tree "$work/usher"
  (cd "$work/usher" && quietly dpkg-buildpackage -us -uc -b)
  # Readable by all, as the packages of a mirror are.
  install -m 644 "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$to"
}

main "$@"
