#!/bin/bash
# SPDX-License-Identifier: MIT
# Ask the analysers: gcc's, clang's, clang-tidy and cppcheck. Prints what they find, and fails if that is
# anything. What is known to be no mistake is said where it stands in the code, or in .clang-tidy.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

found=0

# findings NAME: what it says on stdin, each once, as paths from the repository on.
findings() {
  local said

  said=$(grep -E '(warning|error|performance|portability):' | sed "s|.*$repository/||; s|^\.\./||" | sort -u)
  if [ -n "$said" ]; then
    printf '%s:\n%s\n' "$1" "$said"
    found=1
  else
    printf '%s: nothing\n' "$1"
  fi
}

# set_up NAME OPTION...: an empty build directory, so that all files are compiled.
set_up() {
  local directory=$repository/build-analyze-$1

  shift
  rm -rf "$directory"
  quietly meson setup "$directory" "$repository" -Dtests=false -Ddebug=true -Doptimization=1 "$@"
}

compile() {
  ninja -C "$repository/build-analyze-$1" 2>&1 || true
}

tidy() {
  git -C "$repository" ls-files -z 'proto/*.c' 'daemon/*.c' 'client/*.c' |
    (cd "$repository" && xargs -0 -P "$(nproc)" -n 4 clang-tidy --quiet -p build-analyze-clang 2>/dev/null) ||
    true
}

check() {
  (cd "$repository" && cppcheck -q -j "$(nproc)" --std=c11 -I. -D_GNU_SOURCE --inline-suppr \
    --enable=warning,performance,portability --suppress=missingIncludeSystem \
    --suppress=leakReturnValNotUsed:daemon/core/table.c proto daemon client tests/bench 2>&1) || true
}

main() {
  need "${build_packages[@]}" clang clang-tools clang-tidy cppcheck
  CC=gcc set_up gcc -Dc_args=-fanalyzer
  compile gcc | findings "gcc -fanalyzer"
  rm -rf "$repository/build-analyze-clang"
  quietly scan-build --use-cc=clang meson setup "$repository/build-analyze-clang" "$repository" -Dtests=false \
    -Doptimization=1
  scan-build --use-cc=clang -o "$repository/build-analyze-clang/scan" ninja -C "$repository/build-analyze-clang" 2>&1 |
    findings "scan-build"
  tidy | findings "clang-tidy"
  check | findings "cppcheck"
  exit "$found"
}

main
