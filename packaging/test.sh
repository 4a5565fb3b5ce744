#!/bin/bash
# SPDX-License-Identifier: MIT
# Build usher in several ways and run its tests in each; then install the Debian packages under a real
# systemd, see tests/systemd/run.sh. The last line counts the tests of the builds and the checks there.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

passed=0
failed=0
skipped=0
broken=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

usage() {
  cat <<'END'
usage: packaging/test.sh [--quick|--systemd]

  --quick     one build only: gcc with AddressSanitizer and UndefinedBehaviorSanitizer
  --systemd   only the packages under systemd

With USHER_REQUIRE=1 or CI=true in the environment a skipped test is a failure.
END
}

# count LOG: prints how many tests passed, failed and were skipped, by meson's testlog.json LOG; says
# more about the last two on stderr.
count() {
  python3 - "$1" <<'PY'
import json, sys

def tail(test):
    text = test.get("stdout", "") + test.get("stderr", "")
    return "".join(f"    {line}\n" for line in text.splitlines()[-120:])

def reason(test):
    lines = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
    given = [line for line in lines if line.startswith("SKIPPED")]
    return (given or lines or ["no reason given"])[-1]

passed = failed = skipped = 0
with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
    tests = [json.loads(line) for line in log]
for test in tests:
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        passed += 1
    elif test["result"] == "SKIP":
        skipped += 1
        print(f"!!! {test['name']}: {reason(test)}", file=sys.stderr)
    else:
        failed += 1
        print(f"--- {test['result']}: {test['name']}\n{tail(test)}", file=sys.stderr)
print(passed, failed, skipped)
PY
}

# run_tests NAME BUILD MESON-TEST-OPTION...: run them, add up, say how it went in one line.
run_tests() {
  local name=$1 directory=$2 log status=0 begin=$SECONDS
  local -a runner=() counts

  shift 2
  # Sanitizers' shadow memory does not fit around every random layout of the address space.
  setarch -R true 2>/dev/null && runner=(setarch -R)
  log=$directory/meson-logs/testlog.json
  rm -f "$log"
  "${runner[@]}" meson test -C "$directory" --no-rebuild "$@" >"$directory/usher-tests.log" 2>&1 \
    </dev/null || status=$?
  if [ ! -s "$log" ]; then
    say "$name: no test was run"
    tail -n 40 "$directory/usher-tests.log" >&2
    broken=1
    return
  fi
  read -ra counts < <(count "$log")
  add_up "$name" "$((SECONDS - begin))" "$status" "${counts[@]}"
}

# add_up NAME SECONDS STATUS PASSED FAILED SKIPPED
add_up() {
  passed=$((passed + $4))
  failed=$((failed + $5))
  skipped=$((skipped + $6))
  if [ "$3" != 0 ] && [ "$5" = 0 ]; then
    say "$1: ended with status $3"
    broken=1
  fi
  printf '%s: %s passed, %s failed, %s skipped in %s s\n' "$1" "$4" "$5" "$6" "$2"
}

# test_build NAME COMPILER MESON-OPTION... -- MESON-TEST-OPTION...: build in build-test-NAME, and
# run its tests.
test_build() {
  local name=$1 compiler=$2 directory=$repository/build-test-$1
  local -a options=()

  shift 2
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  if CC=$compiler build "$directory" -Dtests=true -Dwerror=true -Ddebug=true -Dfailpoints=true \
    "${options[@]}"; then
    run_tests "$name" "$directory" "$@"
  else
    say "$name: the build failed"
    broken=1
  fi
}

test_builds() {
  test_build gcc-asan-ubsan gcc -Doptimization=1 -Db_sanitize=address,undefined -- \
    --timeout-multiplier 2
  [ -z "$1" ] || return 0
  test_build clang clang -Doptimization=2 --
  test_build gcc-tsan gcc -Doptimization=2 -Db_sanitize=thread -- --timeout-multiplier 4 \
    --suite threads --suite e2e
  test_fuzzing
}

# Each check in the guests counts. What they have measured is shown, all else only if one failed.
test_packages() {
  local log=$work/systemd.log results=$work/systemd.results status=0 release seconds ok bad skip

  : >"$results"
  bash "$repository/tests/systemd/run.sh" --results "$results" >"$log" || status=$?
  while read -r release seconds ok bad skip; do
    [ "$bad" = 0 ] || sed -n "/^-- $release\$/,/^$release:/p" "$log" >&2
    add_up "systemd-$release" "$seconds" 0 "$ok" "$bad" "$skip"
    sed -n "/^-- $release\$/,/^$release:/{/^ *gap: /p;/^ *not yet: /p}" "$log"
  done <"$results"
  if [ "$(wc -l <"$results")" != 2 ]; then
    say "tests/systemd/run.sh ended with status $status"
    cat "$log" >&2
    broken=1
  fi
}

# Each target counts; see there for longer runs.
test_fuzzing() {
  local results=$work/fuzz.results begin=$SECONDS status=0 ok bad

  : >"$results"
  bash "$repository/tests/fuzz/run.sh" --seconds 30 --results "$results" || status=$?
  ok=$(grep -c ' ok$' "$results" || true)
  bad=$(grep -c ' failed$' "$results" || true)
  add_up fuzz "$((SECONDS - begin))" "$status" "$ok" "$bad" 0
}

sanitizer_options() {
  export CK_DEFAULT_TIMEOUT=60 # seconds a unit test: machines are shared, and sanitizers slow
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
}

test_programs() {
  need "${build_packages[@]}" check
  [ -n "$1" ] || need clang
  bash "$repository/packaging/fetch-peers.sh" >/dev/null ||
    say '!!! not all foreign programs could be had; their tests will be skipped'
  sanitizer_options
  test_builds "$1"
}

main() {
  case ${1-} in
    '')
      test_programs ''
      test_packages
      ;;
    --quick) test_programs quick ;;
    --systemd) test_packages ;;
    --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  if [ "$skipped" != 0 ] && must_not_skip; then
    say 'tests were skipped that must run here'
    broken=1
  fi
  printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" = 0 ] && [ "$broken" = 0 ]
}

main "$@"
