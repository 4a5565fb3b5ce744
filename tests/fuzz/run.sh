#!/bin/bash
# SPDX-License-Identifier: MIT
# Run the fuzz targets, each for some time, two at once; build them before that if need be. What they
# find goes to a directory that is kept: for the next run, and to be taken over with --minimise.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/../../packaging/lib.sh"

here=$repository/tests/fuzz
all=(calls client command_line config handoff journal records scanner)
targets=()
seconds=30
engine=libfuzzer
jobs=2
minimises=

usage() {
  cat <<'END'
usage: tests/fuzz/run.sh [--seconds N] [--target NAME]... [--engine libfuzzer|afl]
                         [--jobs N] [--minimise] [--results FILE]

  --seconds N    for each target (30)
  --target NAME  only that one; may be given again
  --engine NAME  libfuzzer (the default) or afl (afl++, with the same targets)
  --jobs N       targets at once (2)
  --minimise     afterwards put the smallest set of texts that reaches all that was reached into
                 tests/fuzz/corpus
  --results FILE append a line for each target: its name, and ok or failed

Prints for each target how many texts were tried and what they reached: with libFuzzer edges (cov)
and features (edges with counts), with afl++ edges of its map. Exits with 1 if a target failed; the
text that shows it is named, and shows it again with that program as its only argument.
END
}

number() {
  [[ $1 =~ ^[1-9][0-9]*$ ]] || die "expected a number, not '$1'"
  printf '%s\n' "$1"
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --help) usage && exit 0 ;;
      --minimise) minimises=1 && shift && continue ;;
    esac
    [ $# -gt 1 ] || { usage >&2 && exit 2; }
    case $1 in
      --seconds) seconds=$(number "$2") ;;
      --jobs) jobs=$(number "$2") ;;
      --target) targets+=("$2") ;;
      --engine) engine=$2 ;;
      --results) results=$(realpath "$2") ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift 2
  done
  [ ${#targets[@]} != 0 ] || targets=("${all[@]}")
  for target in "${targets[@]}"; do
    [[ " ${all[*]} " = *" $target "* ]] || die "no target is called '$target'; there are: ${all[*]}"
  done
}

# What is tried first: our own texts, and for the scanner those of its unit test.
seeds() {
  printf '%s\n' "$here/corpus/$1"
  [ "$1" != scanner ] || printf '%s\n' "$repository/tests/corpus/json"
}

prepare() {
  local compiler=clang

  need "${build_packages[@]}" check clang
  if [ "$engine" = afl ]; then
    need afl++
    compiler=afl-clang-fast
  fi
  directory=${FUZZ_BUILD:-$repository/build-test-fuzz-$engine}
  build_target=fuzz CC=$compiler AFL_QUIET=1 build "$directory" -Dtests=true -Dfuzz=true -Dwerror=true -Ddebug=true \
    -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false || die 'the build failed'
  export ASAN_OPTIONS=detect_stack_use_after_return=1:abort_on_error=1:symbolize=0
  [ "$engine" = afl ] || ASAN_OPTIONS=detect_stack_use_after_return=1
  export UBSAN_OPTIONS=print_stacktrace=1
  runner=()
  setarch -R true 2>/dev/null && runner=(setarch -R)
}

# ---- one target ----

run_libfuzzer() {
  local target=$1 work=$directory/work/$1 status=0
  local -a options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
    -artifact_prefix="$work/failed/")

  [ ! -f "$here/$target.dict" ] || options+=(-dict="$here/$target.dict")
  mapfile -t -O "${#options[@]}" options < <(printf '%s\n' "$work/texts" && seeds "$target")
  "${runner[@]}" "$directory/tests/fuzz/fuzz_$target" "${options[@]}" >"$work/log" 2>&1 \
    </dev/null || status=$?
  printf '%-13s %9s texts, %5s edges, %6s features\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")" \
    "$(grep -o 'cov: [0-9]*' "$work/log" | tail -n 1 | cut -c6-)" \
    "$(grep -o 'ft: [0-9]*' "$work/log" | tail -n 1 | cut -c5-)"
  return "$status"
}

afl_figure() {
  sed -n "s/^$2 *: *//p" "$1/fuzzer_stats"
}

run_afl() {
  local target=$1 work=$directory/work/$1 status=0 out
  local -a options=(-V "$seconds" -m none -t 2000+ -i "$work/first" -o "$work/afl")

  out=$work/afl/default
  [ ! -f "$here/$target.dict" ] || options+=(-x "$here/$target.dict")
  rm -rf "$work/first" "$work/afl"
  mkdir "$work/first"
  while read -r path; do
    cp "$path"/* "$work/first/"
  done < <(seeds "$target")
  AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 \
    "${runner[@]}" afl-fuzz "${options[@]}" -- "$directory/tests/fuzz/fuzz_$target" \
    >"$work/log" 2>&1 </dev/null || status=$?
  [ -f "$out/fuzzer_stats" ] || return 1
  printf '%-13s %9s texts, %5s of %s edges\n' "$target" "$(afl_figure "$out" execs_done)" \
    "$(afl_figure "$out" edges_found)" "$(afl_figure "$out" total_edges)"
  find "$out/crashes" "$out/hangs" -name 'id*' -exec cp -t "$work/failed" {} +
  [ "$status" = 0 ] && [ -z "$(ls "$work/failed")" ]
}

run_target() {
  local target=$1 work=$directory/work/$1

  mkdir -p "$work/texts" "$work/failed"
  rm -f "$work/failed"/*
  if "run_$engine" "$target"; then
    [ -z "${results-}" ] || printf '%s ok\n' "$target" >>"$results"
    return 0
  fi
  [ -z "${results-}" ] || printf '%s failed\n' "$target" >>"$results"
  say "$target failed:"
  grep -a -B 2 -A 25 -m 1 'ERROR: \|not true: \|broken: \|runtime error: ' "$work/log" >&2 ||
    tail -n 30 "$work/log" >&2
  for text in "$work/failed"/*; do
    [ ! -f "$text" ] || say "to see it again: $directory/tests/fuzz/fuzz_$target $text"
  done
  return 1
}

# ---- all of them ----

run_targets() {
  local running=0 target

  for target in "${targets[@]}"; do
    if [ "$running" -ge "$jobs" ]; then
      wait -n || failed=1
      running=$((running - 1))
    fi
    run_target "$target" &
    running=$((running + 1))
  done
  while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
  done
}

# is_named FILE: by people, not by an engine. Such texts stay.
is_named() {
  ! [[ ${1##*/} =~ ^[0-9a-f]{40}$ ]]
}

# What reaches an edge that nothing else in the set does.
minimise() {
  local target=$1 merged text

  merged=$directory/work/$target/merged
  rm -rf "$merged"
  mkdir "$merged"
  for text in "$here/corpus/$target"/*; do
    if is_named "$text"; then cp "$text" "$merged/"; fi
  done
  quietly "${runner[@]}" "$directory/tests/fuzz/fuzz_$target" -set_cover_merge=1 -use_counters=0 \
    -max_len=2048 -timeout=20 "$merged" "$directory/work/$target/texts" \
    "$here/corpus/$target" || die "$target: cannot be merged"
  for text in "$here/corpus/$target"/*; do
    is_named "$text" || rm "$text"
  done
  for text in "$merged"/*; do
    is_named "$text" || cp "$text" "$here/corpus/$target/"
  done
}

main() {
  failed=0
  parse "$@"
  case $engine in
    libfuzzer | afl) ;;
    *) usage >&2 && exit 2 ;;
  esac
  prepare
  run_targets
  if [ -n "$minimises" ] && [ "$failed" = 0 ]; then
    for target in "${targets[@]}"; do
      minimise "$target"
    done
  fi
  [ "$failed" = 0 ]
}

main "$@"
