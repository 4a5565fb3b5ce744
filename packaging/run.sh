#!/bin/bash
# SPDX-License-Identifier: MIT
# Build usher and run the broker in the foreground, for this user. Arguments go to usherd.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

# A directory of one's own for the socket.
runtime_directory() {
  local directory

  if [ -n "${XDG_RUNTIME_DIR-}" ] && [ -d "$XDG_RUNTIME_DIR" ] && [ -O "$XDG_RUNTIME_DIR" ]; then
    directory=$XDG_RUNTIME_DIR/usher
  else
    directory=/tmp/usher-$(id -u)
  fi
  mkdir -m 700 "$directory" 2>/dev/null || true
  if [ -L "$directory" ] || [ ! -d "$directory" ] || [ ! -O "$directory" ]; then
    die "$directory is not a directory of yours"
  fi
  printf '%s' "$directory"
}

# The socket among usherd's arguments, if there is one.
given_socket() {
  while [ $# -gt 0 ]; do
    case $1 in
      --socket) printf '%s' "${2-}" ;;
      --socket=*) printf '%s' "${1#*=}" ;;
    esac
    shift
  done
}

# usherd only prints something and ends.
only_prints() {
  local argument

  for argument; do
    case $argument in
      --version | --help | --check-config) return 0 ;;
    esac
  done
  return 1
}

hints() {
  local socket=$1 tools=$2

  cat <<END
usherd is about to serve $socket; Ctrl-C ends it. In another terminal:

  export USHER_SOCKET=$(printf %q "$socket")
  export PATH=$(printf %q "$tools"):\$PATH

  usherctl run -- sh -c 'echo I have slot \$USHER_SLOT'
  usherctl create --detached
  usherctl list
  usherctl metrics

END
}

main() {
  local directory=$repository/build-release usherd usherctl socket

  need "${build_packages[@]}"
  build "$directory" --buildtype=release -Db_lto=true -Dtests=false
  usherd=$(built "$directory" usherd)
  usherctl=$(built "$directory" usherctl)
  if only_prints "$@"; then
    exec "$usherd" "$@"
  fi
  socket=$(given_socket "$@")
  if [ -z "$socket" ]; then
    socket=$(runtime_directory)/usher.sock
    set -- --socket "$socket" "$@"
  fi
  # As the service has it: large pages where the table is large.
  export GLIBC_TUNABLES=${GLIBC_TUNABLES-glibc.malloc.hugetlb=1}
  hints "$(realpath -m -- "$socket")" "$(dirname "$usherctl")"
  exec "$usherd" "$@"
}

main "$@"
