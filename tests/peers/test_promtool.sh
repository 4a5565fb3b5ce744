#!/bin/bash
# SPDX-License-Identifier: MIT
# `usherctl metrics --openmetrics` is what Prometheus' own checker finds nothing wrong with.

# shellcheck disable=SC2119 # functions with optional arguments
# shellcheck source=tests/peers/lib.sh
. "$(dirname "$0")/lib.sh"

# The rules of OpenMetrics that promtool, which reads the older text format, does not know: prints
# what is wrong with the text on stdin. With "strict" counters are named to the letter.
wrong_with() {
  python3 -c '
import re, sys
strict = sys.argv[1] == "strict"
text = sys.stdin.read()
lines = text.split("\n")
if lines[-2:] != ["# EOF", ""] or text.count("# EOF") != 1:
    print("# EOF does not stand once, on the last line")
types, family, done, buckets = {}, None, set(), {}
for line in lines[:-2]:
    described = re.fullmatch(r"# (TYPE|HELP|UNIT) (usher_[a-z0-9_]+) (.+)", line)
    sample = re.fullmatch(r"(usher_[a-z0-9_]+)(\{[^{}]*\})? ([0-9.e+-]+|[+]Inf)", line)
    name = described[2] if described else sample[1] if sample else None
    if name is None:
        print("no line of OpenMetrics:", line)
        continue
    base = name if described else re.sub("_(total|bucket|sum|count|info)$", "", name)
    if family and family in (name, base):
        base = family
    if base != family:
        if base in done:
            print("not together:", base)
        done.add(base)
        family = base
    if described:
        if described[1] == "TYPE":
            types[name] = described[3]
        continue
    kind = types.get(family)
    if kind == "counter" and strict and name != family + "_total":
        print("no name of a counter:", name)
    elif kind == "histogram" and name.endswith("_bucket"):
        key = re.sub(",?le=\"[^\"]*\"", "", sample[2])
        if float(sample[3]) < buckets.get((family, key), 0):
            print("not cumulative:", line)
        buckets[family, key] = float(sample[3])
        if "le=\"+Inf\"" not in line:
            continue
    elif kind == "histogram" and name.endswith("_count"):
        if buckets.get((family, sample[2] or "{}")) != float(sample[3]):
            print("not what the last bucket has:", line)
    elif kind is None:
        print("a sample without a type:", line)
' "$1"
}

# check WHAT: the metrics of the broker as it is now.
check() {
  expect_status 0 ctl metrics --openmetrics
  expect '' "$(wrong_with loose <"$test_dir/out")" "$1: rules broken"
  status=0
  timeout 60 "$peer" check metrics <"$test_dir/out" >"$test_dir/said" 2>&1 || status=$?
  expect '' "$(cat "$test_dir/said")" "$1: promtool's complaints"
  expect 0 "$status" "$1: promtool's exit status"
  expect_status 0 ctl metrics --openmetrics=strict
  expect '' "$(wrong_with strict <"$test_dir/out")" "$1: rules broken (strict)"
}

need_peer promtool
start_broker $'[pool default]\nlimit = 2\n[pool other.pool-1]\nlimit = 1'
check 'nothing happened'
expect_status 0 ctl create --detached --metadata '{"a":1}'
expect_status 0 ctl create --detached
expect_status 10 ctl create --detached
expect_status 0 ctl run --pool other.pool-1 -- true
check 'some sessions'
expect_status 0 ctl metrics --openmetrics
for line in 'usher_active_sessions 2' 'usher_metadata_bytes 7' 'usher_metadata_drift_bytes 0' \
  'usher_sessions_created_total 3' 'usher_sessions_ended_total{outcome="completed"} 1' \
  'usher_sessions_rejected_total{reason="capacity"} 1' \
  'usher_pool_active_sessions{pool="default"} 2' \
  'usher_pool_active_sessions{pool="other.pool-1"} 0' \
  'usher_sessions_rejected_total{reason="quota"} 0' 'usher_sessions_queued_total 0' \
  'usher_sessions_rejected_total{reason="store"} 0' 'usher_orphaned_sessions 0' \
  'usher_pool_orphaned_sessions{pool="default"} 0' \
  'usher_waiting_sessions 0' 'usher_pool_waiting_sessions{pool="default"} 0' \
  'usher_queue_wait_seconds_count 0' 'usher_creation_latency_seconds_count 3'; do
  expect_line "$line" "$out"
done

# --output replaces a file whole.
expect_status 0 ctl metrics --openmetrics --output "$test_dir/usher.prom"
expect '' "$out" 'standard output with --output'
expect '' "$(wrong_with loose <"$test_dir/usher.prom")" 'rules broken in the file'
stop_broker
