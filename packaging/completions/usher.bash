# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# bash completion of usherctl, usherd and usher-bench.

# Pools and sessions are asked of the broker that the line means; without one there are none.
_usher_ask() {
  local i ask=(usherctl --call-timeout 1s)

  for ((i = 1; i < COMP_CWORD; i++)); do
    [ "${COMP_WORDS[i]}" = --socket ] && ask+=(--socket "${COMP_WORDS[i + 1]}")
  done
  "${ask[@]}" "$@" 2>/dev/null </dev/null | cut -f1
}

_usher_pools() {
  _usher_ask pools
}

_usher_sessions() {
  _usher_ask list --limit 100
}

_usher_reply() {
  mapfile -t COMPREPLY < <(compgen "$@")
}

_usherctl_commands='status ping run create start renew update release cancel attach get list who top monitor
  history revoke pools set-pool pause resume drain reload metrics reset-metrics verify call'

# The options of a command; those that all have are added.
_usherctl_options() {
  case $1 in
    ping) echo '-t --timeout' ;;
    run)
      echo '-p --pool -u --units -w --wait -n --no-wait -E --refused-code --priority -L
        --label -m --metadata --time-limit --kill-after'
      ;;
    create)
      echo '-p --pool -u --units -L --label -m --metadata -t --timeout --request-id
        --owner-pid --detached -w --wait --priority --export'
      ;;
    renew) echo '-t --timeout' ;;
    update) echo '-m --metadata' ;;
    release) echo '--outcome --result' ;;
    attach) echo '--owner-pid --detached' ;;
    get) echo '--request-id' ;;
    list) echo '-p --pool --uid --pid --state -L --label --where -l --limit' ;;
    who) echo '-p --pool' ;;
    top) echo '-d --delay -p --pool' ;;
    monitor) echo '-p --pool --no-snapshot' ;;
    history) echo '-l --limit' ;;
    revoke) echo '--reason -k --kill --grace -f --force' ;;
    set-pool)
      echo '-l --limit --max-metadata-bytes --default-timeout --max-timeout --max-duration
        --on-timeout --max-waiters --per-uid-waiters --per-uid-limit --per-process-limit
        --per-label-limit --fair-by --age-step --starve-after --enforce'
      ;;
    pause) echo '--for --reason' ;;
    drain) echo '-t --timeout --exit' ;;
    metrics) echo '-p --pool --openmetrics -o --output' ;;
    call) echo '--more' ;;
    '') echo '--version' ;;
  esac
  echo '--socket --call-timeout -j --json -h --help'
}

# _usherctl_value OPTION WORD: completes its value; fails if it takes none.
_usherctl_value() {
  case $1 in
    -p | --pool) _usher_reply -W "$(_usher_pools)" -- "$2" ;;
    --socket | --output | -o) _usher_reply -f -- "$2" ;;
    --uid) _usher_reply -u -- "$2" ;;
    --outcome) _usher_reply -W 'completed error cancelled' -- "$2" ;;
    --state) _usher_reply -W 'waiting idle processing' -- "$2" ;;
    --on-timeout) _usher_reply -W 'release hold' -- "$2" ;;
    --fair-by) _usher_reply -W 'uid process label none' -- "$2" ;;
    --enforce) _usher_reply -W 'yes no' -- "$2" ;;
    -E | -L | -d | -l | -m | -t | -u | -w | --age-step | --call-timeout | \
      --default-timeout | --delay | --for | --grace | --kill-after | --label | --limit | \
      --max-duration | --max-metadata-bytes | --max-timeout | --max-waiters | --metadata | \
      --owner-pid | --per-label-limit | --per-process-limit | --per-uid-limit | \
      --per-uid-waiters | --pid | --priority | --reason | --refused-code | --request-id | \
      --result | --starve-after | --time-limit | --timeout | --units | --wait | --where) COMPREPLY=() ;;
    *) return 1 ;;
  esac
}

# From an option to its value; bash makes three words of --option=value.
_usher_skip() {
  ((i++))
  [ "${COMP_WORDS[i]}" != = ] || ((i++))
}

# Where the command of the line stands, in COMP_WORDS; 0 if it is yet to come.
_usherctl_command_index() {
  local i

  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --socket | --call-timeout) _usher_skip ;;
      -*) ;;
      *) echo "$i" && return ;;
    esac
  done
  echo 0
}

# The command that "run" runs begins at the first word that is neither an option nor its value.
_usherctl_run_index() {
  local i

  for ((i = $1 + 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --) echo "$((i + 1))" && return ;;
      -n | --no-wait | -j | --json | -h | --help) ;;
      -*) _usher_skip ;;
      *) echo "$i" && return ;;
    esac
  done
  echo 0
}

_usherctl_argument() {
  case $1 in
    run) _usher_reply -c -- "$2" ;;
    start | renew | update | release | attach | get | monitor | revoke) _usher_reply -W "$(_usher_sessions)" -- "$2" ;;
    pools | set-pool | pause | resume) _usher_reply -W "$(_usher_pools)" -- "$2" ;;
  esac
}

_usherctl() {
  local word=$2 before=$3 command='' at run

  COMPREPLY=()
  if [ "$word" = = ]; then
    word=
  elif [ "$before" = = ]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  at=$(_usherctl_command_index)
  [ "$at" = 0 ] || command=${COMP_WORDS[at]}
  if [ "$command" = run ]; then
    run=$(_usherctl_run_index "$at")
    if [ "$run" != 0 ]; then
      if declare -F _command_offset >/dev/null; then
        _command_offset "$run"
      else
        _usher_reply -c -f -- "$word"
      fi
      return
    fi
  fi
  _usherctl_value "$before" "$word" && return
  if [[ $word == -* ]]; then
    _usher_reply -W "$(_usherctl_options "$command")" -- "$word"
  elif [ -z "$command" ]; then
    _usher_reply -W "$_usherctl_commands" -- "$word"
  else
    _usherctl_argument "$command" "$word"
  fi
}

_usherd() {
  local word=$2

  COMPREPLY=()
  case $3 in
    --config | --socket) _usher_reply -f -- "$word" ;;
    --state-dir) _usher_reply -d -- "$word" ;;
    --state) _usher_reply -W none -- "$word" ;;
    --workers) _usher_reply -W 'auto 1 2 4' -- "$word" ;;
    *) _usher_reply -W '--config --socket --state-dir --state --workers --check-config --version --help' -- "$word" ;;
  esac
}

_usher_bench() {
  local word=$2 before=$3

  COMPREPLY=()
  if [ "$word" = = ]; then
    word=
  elif [ "$before" = = ]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $before in
    --socket) _usher_reply -f -- "$word" ;;
    --pool | --waiters-pool) _usher_reply -W "$(_usher_pools)" -- "$word" ;;
    --owner) _usher_reply -W 'connection process detached' -- "$word" ;;
    --operation)
      _usher_reply -W 'create+release create renew get wait list metrics connect' -- "$word"
      ;;
    --connections | --count | --depth | --duration | --idle | --metadata | --rate | --sessions | \
      --threads | --waiters | --warmup) ;;
    *)
      _usher_reply -W '--socket --pool --owner --waiters --waiters-pool --idle --operation
        --connections --depth --threads --duration --warmup --count --rate --metadata --sessions
        --json --version --help' -- "$word"
      ;;
  esac
}

complete -o filenames -o bashdefault -F _usherctl usherctl
complete -o filenames -F _usherd usherd
complete -o filenames -F _usher_bench usher-bench
