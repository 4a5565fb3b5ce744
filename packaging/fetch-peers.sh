#!/bin/bash
# SPDX-License-Identifier: MIT
# Get the foreign programs that the tests hold usher against, without installing anything:
# varlinkctl, varlink-go-certification and promtool, from Debian 13 and with its libraries, into the
# cache directory. On Debian 12 too. Says nothing but where they are; the second time at once.

# shellcheck source=packaging/lib.sh
. "$(dirname "$0")/lib.sh"

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
peers=(varlinkctl varlink-go-certification promtool)
packages=(systemd libsystemd-shared libc6 libacl1 libblkid1 libcap2 libcrypt1 libmount1 libssl3t64
  libpam0g libseccomp2 libselinux1 zlib1g libzstd1 libaudit1 libpcre2-8-0 libcap-ng0
  varlink-go promtool)
bin=$cache/bin
tree=$cache/tree
lists=$cache/apt

# apt-get with lists, cache and status of its own.
private_apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$lists/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State="$lists/state" -o Dir::State::lists="$lists/state/lists" \
    -o Dir::State::status=/dev/null -o Dir::Cache="$lists/cache" -o Acquire::Retries=3 \
    -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" "$@"
}

# Packages are checked by apt against the signed lists, and only then unpacked.
download() {
  local uri

  uri=$(mirror)
  [ -n "$uri" ] || die "apt-get knows no mirror for this release of Debian"
  [ -r "$keyring" ] || die "no $keyring: install debian-archive-keyring"
  mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial" "$lists/debs"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$uri" "$suite" >"$lists/sources.list"
  quietly private_apt update || die "no package lists of $suite could be had"
  cd "$lists/debs"
  quietly private_apt download "${packages[@]}" || die "could not download: ${packages[*]}"
}

unpack() {
  local deb

  rm -rf "$tree.new"
  mkdir -p "$tree.new"
  for deb in "$lists"/debs/*.deb; do
    quietly dpkg-deb -x "$deb" "$tree.new" || die "could not unpack $deb"
  done
  rm -rf "$tree" "$lists"
  mv "$tree.new" "$tree"
}

# wrap NAME: a script in bin that runs the tree's program with the tree's own loader and libraries.
wrap() {
  local program=$tree/usr/bin/$1 loader triplet

  triplet=$(basename "$(dirname "$(find "$tree/usr/lib" -path '*-linux-gnu*/libc.so.6')")")
  loader=$(find "$tree/usr/lib/$triplet" -maxdepth 1 -name 'ld-linux*.so.*' -print -quit)
  if [ ! -x "$program" ] || [ -z "$loader" ]; then
    die "Debian's packages have no $1, or no loader for it"
  fi
  cat >"$bin/$1.new" <<END
#!/bin/sh
exec $(printf '%q ' "$loader" --library-path \
    "$tree/usr/lib/$triplet:$tree/usr/lib/$triplet/systemd" "$program")"\$@"
END
  chmod +x "$bin/$1.new"
  mv "$bin/$1.new" "$bin/$1"
}

# works NAME: the wrapped program is there and runs.
works() {
  case $1 in
    varlink-go-certification) ("$bin/$1" --help 2>&1 || true) | grep -q -e -client ;;
    *) "$bin/$1" --version >/dev/null 2>&1 ;;
  esac
}

all_work() {
  local peer

  for peer in "${peers[@]}"; do
    works "$peer" || return 1
  done
}

main() {
  local peer bad=()

  mkdir -p "$bin"
  exec 9>"$cache/lock"
  flock 9
  if ! all_work; then
    say "getting ${peers[*]} from Debian's $suite"
    (download)
    unpack
    for peer in "${peers[@]}"; do
      wrap "$peer"
      works "$peer" || bad+=("$peer")
    done
  fi
  [ ${#bad[@]} = 0 ] || die "these do not run here: ${bad[*]}"
  printf '%s\n' "${peers[@]/#/$bin/}"
}

main
