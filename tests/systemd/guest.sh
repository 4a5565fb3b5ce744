#!/bin/bash
# SPDX-License-Identifier: MIT
# What run.sh has done in the guest, as root: install the package and see that all works hardened.
# Each test_ function is one, in the order of the file, and so is each check of guest_handoff.py; the
# last line counts them. Unless USHER_HANDOFF is empty, connections are to outlive a restart.
# shellcheck disable=SC2317 # functions are called by name

set -uo pipefail
export LC_ALL=C.UTF-8
socket=/run/usher/usher.sock
failed=0
count=0

fail() {
  echo "    line ${BASH_LINENO[1]}: $*"
  is_failed=1
}

# is WANTED HAVE
is() {
  [ "$1" = "$2" ] || fail "wanted '$1', have '$2'"
}

# matches PATTERN TEXT
matches() {
  [[ $2 =~ $1 ]] || fail "wanted something like '$1', have '$2'"
}

ok() {
  "$@" >/tmp/ok.log 2>&1 || fail "status $? of: $*: $(tail -n 5 /tmp/ok.log)"
}

refused() {
  "$@" >/tmp/refused.log 2>&1 && fail "should have failed: $*"
}

# until_so COMMAND...: wait for it, 20 s at most.
until_so() {
  local i

  for ((i = 0; i < 200; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  fail "did not come: $*"
}

as_ann() {
  runuser -u ann -- "$@"
}

# field NAME FILTER...: of the one session that usherctl list finds.
field() {
  local name=$1

  shift
  usherctl list --json "$@" | sed -n 's/.*"'"$name"'": *"\{0,1\}\([^",}]*\).*/\1/p'
}

property() {
  systemctl show -P "$1" "${2-usherd.service}"
}

is_other_pid() {
  local pid

  pid=$(property MainPID)
  [ "$pid" != 0 ] && [ "$pid" != "$1" ] && usherctl --call-timeout 1s ping
}

# ---- sessions of each kind, and what becomes of them ----

# attribute NAME ID: of a session.
attribute() {
  usherctl get --json "$2" | grep -o '"'"$1"'":[^,}]*' | tr -d '"' | cut -d : -f 2
}

# state ID: its state, whether it is orphaned, and its owner.
state() {
  echo "$(attribute state "$1") $(attribute orphaned "$1") $(attribute owner "$1")"
}

counters() {
  usherctl metrics --json | grep -o '"\(lifetime_total_[a-z]*\|peak_concurrent_sessions\)":[0-9]*'
}

# Sets detached, process and connection to the ids of one of each.
hold_sessions() {
  detached=$(usherctl create --detached --timeout 10min)
  sleep 1000 &
  sleeper=$!
  process=$(usherctl create --owner-pid "$sleeper")
  rm -f /tmp/held
  python3 -B /ci/guest_client.py >/tmp/held &
  holder=$!
  until_so test -s /tmp/held
  connection=$(cat /tmp/held)
  counted=$(counters)
}

# kept ORPHANED: they are all there, and whether the one that belongs to a connection has lost it.
kept() {
  is 'idle false detached' "$(state "$detached")"
  is 'idle false process' "$(state "$process")"
  is "idle $1 connection" "$(state "$connection")"
  is "$counted" "$(counters)"
  ok usherctl verify
}

# Each ends as its owner says, also those that were recovered.
let_go() {
  ok usherctl release "$detached"
  kill -9 "$sleeper" "$holder"
  wait "$sleeper" "$holder" 2>/dev/null
  until_so is_abandoned "$process"
  until_so is_abandoned "$connection"
  ok usherctl verify
}

is_abandoned() {
  [[ $(usherctl get "$1" 2>&1) == *abandoned* ]]
}

# Whether a restart leaves orphans.
orphaned_by_restart() {
  [ -n "${USHER_HANDOFF-}" ] && echo false || echo true
}

# served_again WHAT: the time since $begin until the broker answers.
served_again() {
  ok usherctl --call-timeout 20s ping
  echo "    gap: $1 $(($(date +%s%3N) - begin)) ms"
}

drop_in() {
  mkdir -p /run/systemd/system/usherd.service.d
  printf '[Service]\n%s\n' "$1" >/run/systemd/system/usherd.service.d/test.conf
  systemctl daemon-reload
  systemctl restart usherd.service
}

no_drop_in() {
  rm -f /run/systemd/system/usherd.service.d/test.conf
  systemctl daemon-reload
  systemctl restart usherd.service
}

test_package_installs_and_serves() {
  ok dpkg -i /ci/usher.deb
  is active "$(systemctl is-active usherd.socket)"
  is active "$(systemctl is-active usherd.service)"
  is enabled "$(systemctl is-enabled usherd.socket)"
  is 'root usher 660' "$(stat -c '%U %G %a' "$socket")"
  is 'root root 755' "$(stat -c '%U %G %a' /run/usher)"
  is usher "$(ps -o user= -p "$(property MainPID)")"
  ok usherctl ping
}

test_state_is_the_brokers_alone() {
  is 'usher usher 700' "$(stat -c '%U %G %a' /run/usher/state)"
  is 'usher usher 700' "$(stat -c '%U %G %a' /var/lib/usher)"
  is '' "$(find /run/usher/state /var/lib/usher -type f ! \( -user usher -perm 600 \))"
  ok usherctl release "$(usherctl create --detached)"
  [ -s /run/usher/state/state.journal ] || fail 'no store'
  [ -s /var/lib/usher/fence ] || fail 'no mark of the fences'
}

test_broker_knows_the_boot() {
  is "USHER_BOOT_ID=$(tr -d - </proc/sys/kernel/random/boot_id)" \
    "$(tr '\0' '\n' <"/proc/$(property MainPID)/environ" | grep USHER_BOOT_ID)"
}

test_units_use_what_this_systemd_knows() {
  local version

  version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  is "$([ "$version" -ge 253 ] && echo notify-reload || echo notify)" "$(property Type)"
  is "$([ "$version" -lt 254 ] || echo yes)" "$(property FileDescriptorStorePreserve)"
  is 9 "$(property FileDescriptorStoreMax)"
  is yes "$(property RuntimeDirectoryPreserve)"
}

test_units_are_clean() {
  local units

  units=$(dirname "$(property FragmentPath)")
  is '' "$(systemd-analyze verify --man=no "$units"/usherd.service "$units"/usherd.socket 2>&1)"
  is '' "$(systemd-analyze verify --user --man=no /usr/lib/systemd/user/usherd.socket 2>&1 | grep -i usher)"
}

test_security_score_is_at_most_1_0() {
  local score

  score=$(systemd-analyze security --no-pager usherd.service | sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
  echo "    systemd-analyze security: $score"
  systemd-analyze security --no-pager usherd.service >/out/security.txt
  awk -v score="$score" 'BEGIN { exit !(score != "" && score <= 1.0) }' || fail "score $score"
}

test_members_of_the_group_and_root_may_connect() {
  local id

  useradd -m -G usher ann
  useradd -m bob
  id=$(as_ann usherctl create --detached)
  is "$(id -u ann)" "$(field uid --uid ann)"
  ok as_ann usherctl release "$id"
  id=$(usherctl create --detached)
  is 0 "$(field uid --uid root)"
  refused as_ann usherctl release "$id"
  matches 'Permission|permission' "$(cat /tmp/refused.log)"
  ok usherctl release "$id"
  refused runuser -u bob -- usherctl create --detached
  matches 'group' "$(cat /tmp/refused.log)"
}

test_command_and_unit_of_other_users_processes_are_seen() {
  systemd-run -q --unit=worker.service --uid=ann --property=SupplementaryGroups=usher --property=KillMode=process \
    /usr/bin/usherctl run -- sleep 1000
  until_so is_running worker.service
  is sleep "$(field comm --uid ann)"
  is worker.service "$(field systemd_unit --uid ann)"
  is "$(pgrep -u ann -x sleep)" "$(field pid --uid ann)"
}

is_running() {
  [ "$(usherctl list --json --uid ann | grep -c '"comm": *"sleep"')" = 1 ]
}

test_end_of_another_users_process_ends_its_session() {
  pkill -9 -u ann -x usherctl # the supervisor; its command goes on, and so does the session
  usherctl list --uid ann | grep -q . || fail 'the session ended with usherctl'
  pkill -9 -u ann -x sleep
  until_so has_none ann
  matches '"outcome": *"abandoned"' "$(usherctl history --json --limit 1)"
  systemctl stop worker.service 2>/dev/null
}

has_none() {
  [ -z "$(usherctl list --uid "$1")" ]
}

test_killing_a_scripts_process_frees_its_slot() {
  local pid

  as_ann sleep 1000 2>/dev/null &
  until_so pgrep -u ann -x sleep
  pid=$(pgrep -u ann -x sleep)
  ok as_ann usherctl create --owner-pid "$pid"
  is "$pid" "$(field pid --uid ann)"
  kill -9 "$pid"
  wait 2>/dev/null
  until_so has_none ann
}

test_groups_in_the_configuration_are_looked_up() {
  printf '[broker]\nadmin_group = usher\n[pool secret]\nlimit = 1\nallow = @root, ann\n' \
    >/etc/usher/usherd.conf.d/groups.conf
  ok systemctl reload usherd.service
  ok as_ann usherctl pause --for 1ms default
  ok as_ann usherctl create --pool secret --detached
  ok as_ann usherctl release "$(cat /tmp/ok.log)"
  rm /etc/usher/usherd.conf.d/groups.conf
  ok systemctl reload usherd.service
  refused as_ann usherctl pause default
}

test_reload_puts_a_new_configuration_in_force() {
  printf '[pool gpu]\nlimit = 3\n' >/etc/usher/usherd.conf.d/gpu.conf
  ok systemctl reload usherd.service
  matches '"limit": *3' "$(usherctl pools gpu --json)"
  is active "$(systemctl is-active usherd.service)"
}

test_reload_of_a_wrong_configuration_fails_and_changes_nothing() {
  local pid

  pid=$(property MainPID)
  printf '[pool gpu]\nlimit = many\n' >/etc/usher/usherd.conf.d/gpu.conf
  refused systemctl reload usherd.service
  is active "$(systemctl is-active usherd.service)"
  is "$pid" "$(property MainPID)"
  matches '"limit": *3' "$(usherctl pools gpu --json)"
  journalctl -q --sync
  matches 'gpu.conf:2' "$(journalctl -u usherd.service --no-pager -n 5)"
}

test_wrong_configuration_at_the_start_is_not_tried_again_and_loses_no_session() {
  hold_sessions
  refused systemctl restart usherd.service
  is failed "$(systemctl is-failed usherd.service)"
  is 78 "$(property ExecMainStatus)"
  refused usherctl --call-timeout 4s ping # each connection tries once more, until systemd gives up
  matches 'failed|activating' "$(systemctl is-active usherd.service)"
  echo "    the socket is $(systemctl is-active usherd.socket), ping said: $(cat /tmp/refused.log)"
  rm /etc/usher/usherd.conf.d/gpu.conf
  sleep 2 # so long the socket counts how often it has started the broker
  ok systemctl restart usherd.service
  ok usherctl ping
  is active "$(systemctl is-active usherd.socket)"
  # What systemd keeps for a stopped service it keeps for a failed one, too.
  kept "$([ "$(property FileDescriptorStorePreserve)" = yes ] && orphaned_by_restart || echo true)"
  let_go
}

test_missing_configuration_is_no_error() {
  mv /etc/usher/usherd.conf /etc/usher/usherd.conf.away
  ok systemctl restart usherd.service
  mv /etc/usher/usherd.conf.away /etc/usher/usherd.conf
}

test_killed_broker_is_there_again_with_its_sessions() {
  local pid inode begin

  hold_sessions
  pid=$(property MainPID)
  inode=$(stat -c %i "$socket")
  begin=$(date +%s%3N)
  kill -9 "$pid"
  served_again 'kill -9'
  until_so is_other_pid "$pid"
  is "$inode" "$(stat -c %i "$socket")"
  kept true
  let_go
}

# libusher finds its way back by itself: to what is held, and to the wait for it.
test_run_holds_and_waits_over_a_kill() {
  local pid

  printf '[pool one]\nlimit = 1\n' >/etc/usher/usherd.conf.d/one.conf
  ok systemctl reload usherd.service
  rm -f /tmp/go /tmp/got
  usherctl run -p one -- sh -c 'until [ -e /tmp/go ]; do sleep 0.1; done; echo first >>/tmp/got' 2>/dev/null &
  until_so is_counted 1 0
  # shellcheck disable=SC2016 # the command expands it
  usherctl run -p one -- sh -c 'echo "second $USHER_SLOT" >>/tmp/got' 2>/dev/null &
  until_so is_counted 1 1
  pid=$(property MainPID)
  kill -9 "$pid"
  until_so is_other_pid "$pid"
  until_so is_counted 1 1
  [ ! -e /tmp/got ] || fail 'one of them has ended, or was let in beside the other'
  touch /tmp/go
  until_so grep -q second /tmp/got
  is "first second 0" "$(tr '\n' ' ' </tmp/got | sed 's/ $//')"
  rm /etc/usher/usherd.conf.d/one.conf
  ok systemctl reload usherd.service
}

# is_counted ACTIVE WAITING: in the pool one.
is_counted() {
  usherctl pools one --json | tr -d ' \n' | grep -q "\"active_sessions\":$1,\"waiting_sessions\":$2"
}

test_hung_broker_is_replaced_by_the_watchdog_and_keeps_sessions() {
  local pid begin

  is 30s "$(property WatchdogUSec)"
  drop_in 'WatchdogSec=2s'
  hold_sessions
  pid=$(property MainPID)
  sleep 3 # idle, but alive
  is "$pid" "$(property MainPID)"
  begin=$(date +%s%3N)
  kill -STOP "$pid"
  until_so is_other_pid "$pid"
  served_again 'stopped, with a watchdog of 2 s,'
  kept true
  no_drop_in
  let_go
}

test_restart_keeps_sessions() {
  local begin

  hold_sessions
  begin=$(date +%s%3N)
  ok systemctl restart usherd.service
  served_again 'restart, to a client that comes then,'
  kept "$(orphaned_by_restart)"
  let_go
}

test_stop_keeps_the_state() {
  hold_sessions
  ok systemctl stop usherd.socket usherd.service
  is 'usher usher 700' "$(stat -c '%U %G %a' /run/usher/state)"
  ok systemctl start usherd.socket
  ok usherctl ping
  is 'idle false detached' "$(state "$detached")"
  is 'idle false process' "$(state "$process")"
  let_go
}

test_broker_drained_to_its_end_is_there_again() {
  local pid

  pid=$(property MainPID)
  ok usherctl drain --exit --timeout 1s
  until_so is_other_pid "$pid"
}

test_status_and_journal_tell_what_it_does() {
  until_so has_status
  usherctl set-pool journal --limit 1
  journalctl -q --sync
  matches 'set' "$(journalctl -u usherd.service --no-pager -n 3 -o cat)"
  matches 'USHER_ACTOR' "$(journalctl -u usherd.service --no-pager -n 20 -o json)"
}

has_status() {
  [[ $(property StatusText) == *active* ]]
}

test_many_connections_are_allowed() {
  local hard

  hard=$(awk '/Max open files/ { print $4, $5 }' "/proc/$(property MainPID)/limits")
  echo "    open files: $hard"
  awk -v hard="$hard" 'BEGIN { split(hard, n, " "); exit !(n[1] >= 8192 && n[1] == n[2]) }' || fail "$hard"
}

test_sandbox_holds() {
  local pid

  pid=$(property MainPID)
  is 1 "$(awk '/NoNewPrivs/ { print $2 }' "/proc/$pid/status")"
  is 2 "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")"
  is 0000000000000000 "$(awk '/CapBnd/ { print $2 }' "/proc/$pid/status")"
  journalctl -q --sync
  is '' "$(journalctl -u usherd.service --no-pager -o cat | grep -iE 'denied|not permitted|audit')"
}

test_upgrade_restarts_the_broker_and_keeps_socket_and_sessions() {
  local pid inode

  hold_sessions
  pid=$(property MainPID)
  inode=$(stat -c %i "$socket")
  ok dpkg -i /ci/newer.deb
  until_so is_other_pid "$pid"
  is "$inode" "$(stat -c %i "$socket")"
  is active "$(systemctl is-active usherd.socket)"
  kept "$(orphaned_by_restart)"
  let_go
}

# What needs no fd store is always done.
test_crowd_of_clients_stays_connected() {
  local -a steps=(reload reexec) losses=('kill -9' watchdog)

  if [ -n "${USHER_HANDOFF-}" ]; then
    steps=(restart upgrade reload reexec)
    if [ "$(property FileDescriptorStorePreserve)" = yes ]; then
      steps+=(stop-start)
    else
      losses+=('stop without a store')
    fi
  else
    echo '    not yet: that connections outlive a restart, an upgrade, a stop and a start'
  fi
  printf '%s\n' '[broker]' 'max_connections_per_uid = 4000' '[pool handoff]' 'limit = 200' '[pool probe]' \
    '[pool insisted]' >/etc/usher/usherd.conf.d/crowd.conf
  drop_in 'WatchdogSec=2s'
  python3 -B /ci/guest_handoff.py "${steps[@]}" "${losses[@]}" >/tmp/crowd.log 2>&1 || fail "status $?"
  cat /tmp/crowd.log
  count=$((count + $(grep -c '^\(ok  \|FAIL\) ' /tmp/crowd.log)))
  failed=$((failed + $(grep -c '^FAIL ' /tmp/crowd.log)))
  rm /etc/usher/usherd.conf.d/crowd.conf
  no_drop_in
}

test_users_own_broker() {
  local uid

  uid=$(id -u bob)
  mkdir -p "/run/systemd/system/user@$uid.service.d" # there is no pam_systemd here
  printf '[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%s\n' "$uid" >"/run/systemd/system/user@$uid.service.d/test.conf"
  systemctl daemon-reload
  ok systemctl start "user@$uid.service"
  ok as_bob systemctl --user start usherd.socket
  ok as_bob env USHER_SOCKET="/run/user/$uid/usher/usher.sock" usherctl create --detached
  matches '"uid": *'"$uid" "$(as_bob usherctl --socket "/run/user/$uid/usher/usher.sock" list --json)"
  is "bob bob 600" "$(stat -c '%U %G %a' "/run/user/$uid/usher/usher.sock")"
  ok as_bob systemctl --user reload usherd.service
  ok as_bob systemctl --user kill --signal=KILL usherd.service
  until_so as_bob usherctl --socket "/run/user/$uid/usher/usher.sock" ping
  matches '"uid": *'"$uid" "$(as_bob usherctl --socket "/run/user/$uid/usher/usher.sock" list --json)"
  is 'bob bob 700' "$(stat -c '%U %G %a' "/run/user/$uid/usher/state")"
  [ -s /home/bob/.local/state/usher/fence ] || fail 'no mark of the fences'
  systemctl stop "user@$uid.service"
}

as_bob() {
  runuser -u bob -- env "XDG_RUNTIME_DIR=/run/user/$(id -u bob)" "$@"
}

# Nothing is left with systemd either, which keeps connections over a stop.
test_removal_ends_it() {
  local client

  rm -f /tmp/held
  python3 -B /ci/guest_client.py until-closed >/tmp/held &
  client=$!
  until_so test -s /tmp/held
  ok dpkg -r usher
  until_so has_exited "$client"
  [ ! -S "$socket" ] || fail 'the socket is still there'
  [ -e /etc/usher/usherd.conf ] || fail 'the configuration is gone'
  [ -s /var/lib/usher/fence ] || fail 'the mark of the fences is gone'
  ok dpkg -P usher
  [ ! -e /etc/usher/usherd.conf ] || fail 'the configuration is still there'
  [ ! -e /run/usher ] || fail 'the state is still there'
  [ ! -e /var/lib/usher ] || fail 'the mark of the fences is still there'
}

has_exited() {
  ! kill -0 "$1"
}

systemctl --version | head -n 1
mkdir -p /etc/usher/usherd.conf.d
mapfile -t names < <(sed -n 's/^\(test_[a-z_0-9]*\)() {/\1/p' "$0")
for name in "${names[@]}"; do
  is_failed=0
  "$name"
  count=$((count + 1))
  if [ "$is_failed" = 0 ]; then
    echo "ok   $name"
  else
    echo "FAIL $name"
    failed=$((failed + 1))
  fi
done
echo "$((count - failed)) passed, $failed failed"
journalctl -q --sync
journalctl -u usherd.service --no-pager -o short-monotonic >/out/usherd.log
echo "$((count - failed)) $failed" >/out/done
exit "$((failed > 0))"
