#!/bin/bash
# SPDX-License-Identifier: MIT
# Measure usher, the limit and the peers: build as for use, install what Debian has of the peers if
# that is asked for, run tests/bench/run.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

# Those whose figures stand beside usher's, and what draws them.
peers=(redis-server parallel util-linux etcd-server gnuplot-nox)

usage() {
  cat <<'END'
usage: packaging/bench.sh [--install] [OPTION...]

  --install   install the peers first; none of them is started as a service

The other options are those of tests/bench/run, see its --help.
END
}

is_all_installed() {
  local package

  for package; do
    is_installed "$package" || return 1
  done
}

# install_quietly PACKAGE...: with a policy that refuses to start any service, which is how Debian's
# packages ask. Those that this release does not have are said and left out.
install_quietly() {
  local policy=/usr/sbin/policy-rc.d package known=()

  for package; do
    if is_installed "$package" || apt-cache show "$package" >/dev/null 2>&1; then
      known+=("$package")
    else
      say "this release of Debian has no $package"
    fi
  done
  is_all_installed "${known[@]}" && return
  [ ! -e "$policy" ] || die "$policy exists, and may let services start: install ${known[*]} by hand"
  # shellcheck disable=SC2064 # the path is to be the one of now
  trap "as_root rm -f '$policy'" EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  need "${known[@]}"
  as_root rm -f "$policy"
  trap - EXIT
}

main() {
  case ${1-} in
    --help)
      usage
      exec python3 "$repository/tests/bench/run" --help
      ;;
    --install)
      shift
      need "${build_packages[@]}" check
      install_quietly "${peers[@]}"
      ;;
  esac
  exec python3 "$repository/tests/bench/run" "$@"
}

main "$@"
