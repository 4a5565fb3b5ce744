# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A broker of its own for each end-to-end test, in a temporary directory that goes with it.
#
#   . "$(dirname "$0")/../e2e/lib.sh"
#   start_broker $'[pool default]\nlimit = 2'       # sets USHER_SOCKET, broker_pid, broker_log
#   expect_status 0 ctl create --detached           # sets out, err
#   expect_match 'session_[0-9a-f]{12}' "$out"
#   stop_broker                                     # a broker that does not end with 0 is a failure
#
# Meson passes the programs in USHERD and USHERCTL. Nothing here sleeps to give something time:
# what is awaited is polled for, at most PATIENCE seconds.

set -euo pipefail

PATIENCE=${PATIENCE:-30}

test_name=$(basename "$0" .sh)
test_dir=$(mktemp -d /tmp/usher-test.XXXXXX)
broker_pid=
broker_log=
out=
err=

# What the machine around us says must not reach the programs under test.
unset NOTIFY_SOCKET LISTEN_FDS LISTEN_PID LISTEN_FDNAMES JOURNAL_STREAM INVOCATION_ID \
  USHER_SOCKET USHER_SESSION USHER_SLOT USHER_SLOTS USHER_FENCE USHER_POOL
export XDG_RUNTIME_DIR=$test_dir/run XDG_CONFIG_HOME=$test_dir/config LC_ALL=C.UTF-8
mkdir -m 700 "$XDG_RUNTIME_DIR" "$XDG_CONFIG_HOME"

# fail MESSAGE...: end the test as failed, with the broker's log.
fail() {
  trap - ERR
  printf 'FAIL: %s (%s, line %s)\n' "$*" "$test_name" "$(_test_line)" >&2
  if [ -n "$broker_log" ] && [ -s "$broker_log" ]; then
    printf -- '--- the broker said:\n' >&2
    tail -n 200 "$broker_log" >&2
  fi
  exit 1
}

# skip MESSAGE...: end the test as skipped (meson's 77).
skip() {
  printf 'SKIPPED: %s\n' "$*"
  exit 77
}

# The line of the test script itself that is being run.
_test_line() {
  local i last=$((${#BASH_SOURCE[@]} - 1))

  for ((i = 1; i <= last; i++)); do
    if [ "${BASH_SOURCE[i]}" = "$0" ]; then
      printf '%s' "${BASH_LINENO[i - 1]}"
      return
    fi
  done
  printf '?'
}

# _is_running PID: true for a process that has not exited (a zombie has).
_is_running() {
  local stat

  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  [ "${stat%% *}" != Z ]
}

# await_exit PID: the process is gone; fails after PATIENCE seconds.
await_exit() {
  local deadline=$((SECONDS + PATIENCE))

  while _is_running "$1"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.02
  done
}

# await COMMAND...: until the command succeeds, at most PATIENCE seconds.
await() {
  local deadline=$((SECONDS + PATIENCE))

  until "$@"; do
    ((SECONDS < deadline)) || fail "waited ${PATIENCE} s in vain for: $*"
    sleep 0.02
  done
}

# await_socket PATH PID: until PATH takes connections; fails if process PID is gone before that.
await_socket() {
  python3 - "$1" "$2" "$PATIENCE" <<'PY'
import os, socket, sys, time
path, pid, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end = time.monotonic() + patience
while time.monotonic() < end:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        sys.exit(0)
    except OSError:
        pass
    with open(f"/proc/{pid}/stat", "rb") as f:
        if f.read().rpartition(b") ")[2][:1] == b"Z":
            sys.exit(1)
    time.sleep(0.01)
sys.exit(1)
PY
}

# call SOCKET METHOD [PARAMETERS]: one Varlink call as a client without any library would do it;
# prints the reply, or the replies of a "more" call if MORE is set, one a line.
call() {
  python3 - "$1" "$2" "${3-"{}"}" "${MORE-}" <<'PY'
import socket, sys
path, method, parameters, more = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(path)
flag = ',"more":true' if more else ""
s.sendall(f'{{"method":"{method}","parameters":{parameters}{flag}}}\0'.encode())
data = b""
while True:
    piece = s.recv(65536)
    data += piece
    *frames, data = data.split(b"\0")
    for frame in frames:
        print(frame.decode())
    if not piece or frames and b'"continues":true' not in frames[-1]:
        break
PY
}

# start_broker [CONFIG TEXT [USHERD OPTION...]]: a broker on $USHER_SOCKET, ready. One at a time;
# after stop_broker another may be started on the same socket.
start_broker() {
  local config=${1:-}

  shift || true
  [ -z "$broker_pid" ] || fail "start_broker: one is running"
  printf '%s\n' "$config" >"$test_dir/usherd.conf"
  export USHER_SOCKET=$test_dir/usher.sock
  broker_log=$test_dir/usherd.log
  "${USHERD:?the path of usherd}" --config "$test_dir/usherd.conf" --socket "$USHER_SOCKET" "$@" \
    >>"$broker_log" 2>&1 </dev/null &
  broker_pid=$!
  await_socket "$USHER_SOCKET" "$broker_pid" 2>/dev/null || fail "the broker did not get ready"
}

# stop_broker [SIGNAL [STATUS]]: end it by TERM or SIGNAL and require its exit STATUS, 0.
stop_broker() {
  local signal=${1:-TERM} want=${2:-0} status=0 pid=$broker_pid

  [ -n "$pid" ] || fail "stop_broker: none is running"
  kill -s "$signal" "$pid" 2>/dev/null || true
  await_exit "$pid" || fail "the broker did not end on $signal"
  broker_pid=
  wait "$pid" || status=$?
  [ "$status" = "$want" ] || fail "the broker ended with status $status, not $want"
}

# ctl ARGUMENT...: usherctl on the test's broker.
ctl() {
  "${USHERCTL:?the path of usherctl}" "$@"
}

# run COMMAND...: sets out, err and status, never fails.
run() {
  status=0
  "$@" >"$test_dir/out" 2>"$test_dir/err" </dev/null || status=$?
  out=$(cat "$test_dir/out")
  err=$(cat "$test_dir/err")
}

# expect_status STATUS COMMAND...: like run, and the exit status must be STATUS.
expect_status() {
  local want=$1

  shift
  run "$@"
  [ "$status" = "$want" ] || fail "status $status, not $want: $*
stdout: $out
stderr: $err"
}

# expect WANT GOT [WHAT]: the same text.
expect() {
  [ "$1" = "$2" ] || fail "${3-value}: wanted '$1', got '$2'"
}

# expect_match REGEX TEXT [WHAT]: TEXT has a part that matches the extended regular expression.
expect_match() {
  [[ $2 =~ $1 ]] || fail "${3-text}: wanted a match for '$1', got '$2'"
}

# expect_no_match REGEX TEXT [WHAT]
expect_no_match() {
  [[ ! $2 =~ $1 ]] || fail "${3-text}: wanted no match for '$1', got '$2'"
}

# expect_line LINE TEXT [WHAT]: TEXT has exactly this line.
expect_line() {
  grep -qxF -e "$1" <<<"$2" || fail "${3-text}: wanted the line '$1' in '$2'"
}

# json EXPRESSION [TEXT]: a Python expression over d, the JSON value TEXT (or stdin). Strings are
# printed bare, all else as JSON. A sequence of values (one a line, as --more gives) is json_lines'.
json() {
  _json 'json.loads(text)' "$@"
}

# json_lines EXPRESSION [TEXT]: the same over d, the list of the JSON values in TEXT (RFC 7464's
# record separators are allowed).
json_lines() {
  _json 'list(values(text))' "$@"
}

_json() {
  local load=$1 expression=$2

  shift 2
  if [ $# -gt 0 ]; then
    _json_eval "$load" "$expression" <<<"$1"
  else
    _json_eval "$load" "$expression"
  fi || fail "no $expression in '$(head -c 2000 <<<"${1-stdin}")'"
}

_json_eval() {
  python3 -c '
import json, sys
def values(text):
    decoder, text = json.JSONDecoder(), text.replace("\x1e", " ").strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()
text = sys.stdin.read()
d = eval(sys.argv[1])
v = eval(f"({sys.argv[2]})")
print(v if isinstance(v, str) else json.dumps(v))
' "$1" "$2"
}

_clean_up() {
  local status=$?

  trap - EXIT ERR
  if [ -n "$broker_pid" ]; then
    kill -s TERM "$broker_pid" 2>/dev/null || true
    PATIENCE=5 await_exit "$broker_pid" || kill -s KILL "$broker_pid" 2>/dev/null || true
  fi
  if declare -F clean_up_more >/dev/null; then
    clean_up_more
  fi
  if [ -n "${USHER_KEEP-}" ]; then
    printf 'kept: %s\n' "$test_dir" >&2
  else
    rm -rf "$test_dir"
  fi
  exit "$status"
}

trap _clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT HUP
trap 'fail "a command failed: $BASH_COMMAND"' ERR
set -o errtrace
