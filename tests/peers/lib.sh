# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Foreign programs that packaging/fetch-peers.sh put into the cache, or that are installed.

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"

# need_peer NAME: sets peer to its path, or ends the test as skipped.
# shellcheck disable=SC2034
need_peer() {
  local fetched=${USHER_PEERS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/usher-tests/bin}/$1

  if [ -x "$fetched" ]; then
    peer=$fetched
  elif ! peer=$(command -v "$1"); then
    skip "no $1 here: packaging/fetch-peers.sh gets it"
  fi
}
