#!/bin/bash
# SPDX-License-Identifier: MIT
# Run the tests in a build that counts, and print which branches they reach: of the scanner, frames and
# core, of the rest of the broker and the library, and of the commands. The whole report is in
# build-coverage/report/index.html. Asserts are left out: their other branch is not to be reached. Counting
# is atomic, for threads count at once; and who ends with _exit() counts as well. Arguments: meson's names
# of tests; else all.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

directory=$repository/build-coverage

# report TITLE FILTER...: a table of the files, and its sum.
report() {
  local title=$1 filter
  local -a filters=()

  shift
  for filter; do
    filters+=(--filter "$filter")
  done
  printf '\n%s\n' "$title"
  gcovr --root "$repository" --object-directory "$directory" "${filters[@]}" --branches \
    --exclude-branches-by-pattern '.*assert\(.*' --exclude-unreachable-branches --exclude-throw-branches \
    "${format[@]}"
}

main() {
  local -a format=()

  need "${build_packages[@]}" check gcovr
  build "$directory" -Dtests=true -Ddebug=true -Dfailpoints=true -Doptimization=0 -Db_coverage=true \
    -Dc_args="['-fprofile-update=atomic', '-D_exit=exit']"
  find "$directory" -name '*.gcda' -delete
  meson test -C "$directory" --no-rebuild --timeout-multiplier 3 -q "$@" >"$directory/usher-tests.log" 2>&1 ||
    say "some tests failed: see $directory/usher-tests.log"
  report "scanner, frames and core" 'proto/json_.*' 'proto/frame.*' 'daemon/core/.*'
  report "the rest of the broker, and the library" 'daemon/[^/]*$' 'proto/(varlink|message|status|duration).*' 'client/[^/]*$'
  report "the commands" 'client/cli/.*'
  mkdir -p "$directory/report"
  format=(--html-details "$directory/report/index.html")
  report "all of it" 'proto/.*' 'daemon/.*' 'client/.*' >/dev/null
  printf '\n%s\n' "$directory/report/index.html"
}

main "$@"
