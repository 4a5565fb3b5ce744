#!/bin/bash
# SPDX-License-Identifier: MIT
# systemd's varlinkctl against a real broker. $IDL is the path of io.usher.Broker.varlink.

# shellcheck disable=SC2119 # functions with optional arguments
# shellcheck source=tests/peers/lib.sh
. "$(dirname "$0")/lib.sh"

# Written as varlinkctl would write it, which reads and writes its parameters anew.
metadata='{"job":"é😀","n":9007199254740993,"list":[1,{"deep":null}],"escaped":"\"\\\n"}'

vctl() {
  timeout 60 "$peer" --no-pager "$@"
}

# broker METHOD [PARAMETERS [OPTION...]]: a call that succeeds; sets out to the reply.
broker() {
  local method=$1 parameters=${2-"{}"}

  shift
  shift || true
  expect_status 0 vctl --json=short "$@" call "$address" "io.usher.Broker.$method" "$parameters"
}

# refused ERROR METHOD PARAMETERS: a call that must end in the error; sets out to its parameters.
refused() {
  expect_status 1 vctl --json=short call "$address" "io.usher.Broker.$2" "$3"
  expect "Method call io.usher.Broker.$2() failed: $1" "$err" "error of $2 $3"
}

shows_the_service() {
  expect_status 0 vctl --json=short info "$address"
  expect '["io.usher.Broker", "org.varlink.service"]' "$(json 'sorted(d["interfaces"])' "$out")"
  expect true "$(json 'all(d[k] for k in ("vendor", "product", "version", "url"))' "$out")"
  expect_status 0 vctl info "$address"
  expect_match 'Interfaces: io\.usher\.Broker' "$out"
  expect_status 0 vctl list-interfaces "$address"
  expect $'io.usher.Broker\norg.varlink.service' "$out"
}

the_interface_is_the_file() {
  local formatted

  expect_status 0 vctl validate-idl "$IDL"
  expect '' "$err" 'complaints about the interface text'
  formatted=$out
  expect_status 0 vctl introspect "$address" io.usher.Broker
  expect '' "$err" 'complaints about the served text'
  expect "$formatted" "$out" 'introspect'
  expect_status 0 vctl --json=short call "$address" org.varlink.service.GetInterfaceDescription \
    '{"interface":"io.usher.Broker"}'
  expect "$(cat "$IDL")" "$(json 'd["description"]' "$out")" 'the served text'
  expect_status 0 vctl list-methods "$address" io.usher.Broker
  expect "$(sed -n 's/^method \([A-Za-z]*\).*/io.usher.Broker.\1/p' "$IDL" | sort)" \
    "$(sort <<<"$out")" 'the methods'
}

a_session_lives_and_ends() {
  local id

  broker Create "{\"owner\":\"detached\",\"metadata\":$metadata,
    \"label\":\"a\",\"request_id\":\"r\"}"
  id=$(json 'd["session_id"]' "$out")
  expect_match '^session_[0-9a-f]{12}$' "$id"
  expect '["r", "default", [0], false]' \
    "$(json '[d["request_id"], d["pool"], d["slots"], d["existing"]]' "$out")"
  expect "$(printf %s "$metadata" | wc -c)" "$(json 'd["metadata_bytes"]' "$out")" metadata_bytes

  broker Get "{\"session_id\":\"$id\"}"
  expect "$(json 'd' "$metadata")" "$(json 'd["session"]["metadata"]' "$out")" metadata
  expect "[\"$id\", \"idle\", \"detached\", $(id -u), \"a\"]" "$(json '[d["session"][k] for k in
    ("session_id", "state", "owner", "uid", "label")]' "$out")"
  expect true "$(json '0 < d["session"]["remaining_ms"] <= 30000' "$out")" 'a deadline of 30 s'

  broker Start "{\"session_id\":\"$id\"}"
  broker Renew "{\"session_id\":\"$id\",\"timeout_ms\":60000}"
  expect true "$(json 'd["expires_at"] > 1e15' "$out")"
  broker Update "{\"session_id\":\"$id\",\"metadata\":{}}"
  expect 2 "$(json 'd["metadata_bytes"]' "$out")" "metadata_bytes of {}"
  broker Get '{"request_id":"r"}'
  expect processing "$(json 'd["session"]["state"]' "$out")" state
  broker Release "{\"session_id\":\"$id\",\"outcome\":\"error\",\"result\":\"no luck\"}"
  expect true "$(json 'd["duration_ms"] >= 0' "$out")"
  refused io.usher.Broker.SessionEnded Release "{\"session_id\":\"$id\"}"
  expect error "$(json 'd["outcome"]' "$out")" 'outcome of the error'
  broker History
  expect "[\"$id\", \"error\", \"no luck\"]" "$(json '[d["sessions"][0][k] for k in
    ("session_id", "outcome", "result")]' "$out")"
}

a_connection_that_ends_abandons() {
  broker Create '{"request_id":"gone"}'
  # The broker sees the end of the connection when it sees it.
  await is_abandoned
}

is_abandoned() {
  broker History '{"limit":1}'
  [ "$(json '[d["sessions"][0][k] for k in ("request_id", "outcome")]' "$out")" = \
    '["gone", "abandoned"]' ]
}

lists_are_streams_or_pages() {
  local i

  for i in 1 2 3; do
    broker Create "{\"owner\":\"detached\",\"request_id\":\"l$i\",
      \"metadata\":{\"odd\":$((i % 2))}}"
  done
  broker List '{}' --more
  expect '["l1", "l2", "l3"]' "$(json_lines '[x["session"]["request_id"] for x in d[:-1]]' "$out")"
  expect '{}' "$(json_lines 'd[-1]' "$out")" 'the last reply'
  broker List '{"where":{"odd":1.0}}' --collect
  expect '["l1", "l3"]' "$(json '[x["session"]["request_id"] for x in d[:-1]]' "$out")"
  broker List
  expect '["l1", "l2", "l3"]' "$(json '[s["request_id"] for s in d["sessions"]]' "$out")"
}

a_full_pool_says_who_holds_it() {
  broker SetPool '{"pool":"small","limit":1}'
  broker Create '{"pool":"small","owner":"detached"}'
  local id

  id=$(json 'd["session_id"]' "$out")
  refused io.usher.Broker.CapacityReached Create '{"pool":"small"}'
  expect "[\"small\", 1, 1, 1, 1, \"$id\"]" "$(json '[d[k] for k in ("pool", "limit",
    "used_units", "requested_units", "active_sessions")] + [d["holders"][0]["session_id"]]' "$out")"
}

errors_have_names() {
  refused io.usher.Broker.NoSuchSession Get '{"session_id":"session_000000000000"}'
  expect '{"session_id":"session_000000000000"}' "$out"
  refused io.usher.Broker.NoSuchPool Create '{"pool":"nowhere"}'
  expect '{"pool":"nowhere"}' "$out"
  refused io.usher.Broker.TimeoutOutOfRange Create '{"timeout_ms":0}'
  refused org.varlink.service.InvalidParameter Create '{"units":"two"}'
  expect units "$(json 'd["parameter"]' "$out")"
  refused org.varlink.service.InvalidParameter Create '{"colour":1}'
  expect colour "$(json 'd["parameter"]' "$out")"
  refused org.varlink.service.MethodNotFound Nope '{}'
  expect_status 1 vctl call "$address" com.example.No.Thing '{}'
  expect_match 'org\.varlink\.service\.InterfaceNotFound' "$err"
}

oneway_is_done_without_an_answer() {
  broker Create '{"owner":"detached","request_id":"quiet"}' --oneway
  expect '' "$out"
  await is_listed quiet
}

is_listed() {
  broker List
  [[ $out == *"\"request_id\":\"$1\""* ]]
}

metrics_add_up() {
  broker GetMetrics
  expect 0 "$(json 'd["metrics"]["metadata_bytes_drift"]' "$out")" drift
  expect true "$(json 'd["metrics"]["lifetime_total_created"] == d["metrics"]["active_sessions"] +
    sum(d["metrics"]["lifetime_total_" + k] for k in ("completed", "timeout", "error", "cancelled",
    "abandoned", "revoked"))' "$out")" 'created = active + ended'
  expect '[5, 1, 1, 1]' "$(json '[d["metrics"][k] for k in ("active_sessions",
    "lifetime_total_error", "lifetime_total_abandoned", "sessions_rejected_capacity")]' "$out")"
  expect '[]' "$(json '[p["pool"] for p in d["metrics"]["pools"]
    if d["metrics"]["totals"].keys() - p["totals"].keys() != {"creation_latency"}]' "$out")" \
    'pools whose totals lack some'
  broker Verify
  expect '{"ok":true,"findings":[]}' "$out"
}

# varlinkctl can start a service itself, and hands it a socket that is already connected.
works_as_a_child() {
  cat >"$test_dir/child" <<END
#!/bin/sh
exec 2>>$(printf %q "$test_dir/child.log")
exec $(printf '%q ' "$USHERD" --config "$test_dir/usherd.conf")
END
  chmod +x "$test_dir/child"
  run vctl --json=short call "exec:$test_dir/child" io.usher.Broker.Create '{}'
  expect 0 "$status" "$err $(cat "$test_dir/child.log")"
  expect '[0]' "$(json 'd["slots"]' "$out")"
}

need_peer varlinkctl
start_broker
address=unix:$USHER_SOCKET
: "${IDL:?}"
shows_the_service
the_interface_is_the_file
a_session_lives_and_ends
a_connection_that_ends_abandons
lists_are_streams_or_pages
a_full_pool_says_who_holds_it
errors_have_names
oneway_is_done_without_an_answer
metrics_add_up
works_as_a_child
stop_broker
