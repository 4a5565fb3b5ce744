#!/bin/sh
# SPDX-License-Identifier: MIT
# One object with only the symbols of the library's list, in an archive: a program that links
# statically may have functions of any name but those.
#
# localize.sh MAP OUTPUT OBJCOPY AR ARCHIVE... -- COMPILER [OPTION]...
set -eu

map=$1 output=$2 objcopy=$3 ar=$4
shift 4
archives=
while [ "$1" != -- ]; do
  archives="$archives $1"
  shift
done
shift

rm -f "$output"
sed -n 's/^\t\(usher_[a-z_]*\);$/\1/p' "$map" >"$output.symbols"
# shellcheck disable=SC2086 # a list; the build directory's paths are relative
"$@" -nostdlib -r -o "$output.o" -Wl,--whole-archive $archives
"$objcopy" --keep-global-symbols="$output.symbols" "$output.o"
"$ar" rcs "$output" "$output.o"
rm -f "$output.symbols" "$output.o"
