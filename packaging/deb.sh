#!/bin/bash
# SPDX-License-Identifier: MIT
# Build the Debian packages from a clean copy of what git tracks here, and put them into a directory.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

# The copy is not below the repository, and all of it goes away again.
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

main() {
  local to=${1-}
  local -a packages

  if [ $# != 1 ] || [ "$to" = --help ]; then
    say 'usage: packaging/deb.sh DIRECTORY'
    [ "$to" = --help ] && exit 0
    exit 2
  fi
  mapfile -t packages < <(deb_packages "$(release_of '')")
  need git "${packages[@]}"
  mkdir -p "$to"
  work=$(mktemp -d)
  export_source "$work/usher"
  (cd "$work/usher" && quietly dpkg-buildpackage -us -uc -b)
  # Readable by all, as the packages of a mirror are.
  install -m 644 "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$to"
}

main "$@"
