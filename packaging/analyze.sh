#!/bin/bash
# SPDX-License-Identifier: MIT
# Ask the analysers: gcc's, clang's, clang-tidy and cppcheck. Prints what they find, and fails if that is
# anything. What is known to be no mistake is said where it stands in the code, or in .clang-tidy.

# shellcheck disable=SC2317 # findings calls the analysers by their names.
# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

found=0

# findings NAME COMMAND...: what it says, each once, as paths from the repository on. A command that
# fails has not looked at everything: that counts, too.
findings() {
  local name=$1 said

  shift
  said=$("$@" 2>&1 || printf 'error: %s ended with status %d\n' "$1" "$?")
  said=$(sed -nE "/(warning|error|performance|portability):/ { s|^.*$repository/||; s|^\.\./||; p }" \
    <<<"$said" | sort -u)
  if [ -n "$said" ]; then
    printf '%s:\n%s\n' "$name" "$said"
    found=1
  else
    printf '%s: nothing\n' "$name"
  fi
}

# set_up NAME COMMAND...: an empty build directory, so that all files are compiled.
set_up() {
  local directory=$repository/build-analyze-$1

  shift
  rm -rf "$directory"
  quietly "$@" meson setup "$directory" "$repository" -Dtests=false -Ddebug=true -Doptimization=1
}

compile() {
  ninja -k 0 -C "$repository/build-analyze-gcc"
}

scan() {
  scan-build --use-cc=clang -o "$repository/build-analyze-clang/scan" \
    ninja -k 0 -C "$repository/build-analyze-clang"
}

tidy() {
  git -C "$repository" ls-files -z 'proto/*.c' 'daemon/*.c' 'client/*.c' |
    (cd "$repository" && xargs -0 -P "$(nproc)" -n 4 clang-tidy --quiet -p build-analyze-clang)
}

check() {
  (cd "$repository" && cppcheck -q -j "$(nproc)" --std=c11 -I. -D_GNU_SOURCE --inline-suppr \
    --enable=warning,performance,portability --suppress=missingIncludeSystem \
    proto daemon client tests/bench)
}

main() {
  need "${build_packages[@]}" clang clang-tools clang-tidy cppcheck
  set_up gcc env CC=gcc CFLAGS=-fanalyzer
  findings "gcc -fanalyzer" compile
  set_up clang scan-build --use-cc=clang
  findings "scan-build" scan
  findings "clang-tidy" tidy
  findings "cppcheck" check
  exit "$found"
}

main
