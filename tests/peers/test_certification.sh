#!/bin/bash
# SPDX-License-Identifier: MIT
# varlink-go's certification client against tests/peers/certification, whose path is $CERTIFICATION.
# The interface text is asked from varlink-go's own server.

# shellcheck source=tests/peers/lib.sh
. "$(dirname "$0")/lib.sh"

server_pid=

clean_up_more() {
  [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
}

# serve SOCKET COMMAND...: start a server and wait until it takes connections.
serve() {
  local socket=$1

  shift
  "$@" >"$test_dir/server.log" 2>&1 </dev/null &
  server_pid=$!
  await_socket "$socket" "$server_pid" || fail "no answer from: $*: $(cat "$test_dir/server.log")"
}

end_server() {
  kill "$server_pid"
  await_exit "$server_pid" || fail "the server did not end on TERM"
  status=0
  wait "$server_pid" || status=$?
  server_pid=
}

client() {
  timeout 60 "$go" --client --varlink "unix:$1"
}

need_peer varlink-go-certification
go=$peer
serve "$test_dir/go.sock" "$go" --varlink "unix:$test_dir/go.sock"
call "$test_dir/go.sock" org.varlink.service.GetInterfaceDescription \
  '{"interface":"org.varlink.certification"}' >"$test_dir/reply"
json 'd["parameters"]["description"]' <"$test_dir/reply" >"$test_dir/text"
end_server

serve "$test_dir/our.sock" "${CERTIFICATION:?}" "$test_dir/our.sock" "$test_dir/text"
# The client's status is 0 even if it fails.
run client "$test_dir/our.sock"
expect_line "End: 'true'" "$out" "$(cat "$test_dir/server.log")"
expect '' "$(cat "$test_dir/server.log")" 'complaints of the server'

# The server is no yes-man.
error() {
  call "$test_dir/our.sock" "org.varlink.certification.$1" "$2" | json 'd["error"]'
}
id=$(call "$test_dir/our.sock" org.varlink.certification.Start '{}' |
  json 'd["parameters"]["client_id"]')
expect org.varlink.certification.ClientIdError "$(error Test01 '{"client_id":"no"}')"
expect org.varlink.certification.CertificationError \
  "$(error Test02 "{\"client_id\":\"$id\",\"bool\":true}")"
end_server
expect 0 "$status" "the server's exit status"
