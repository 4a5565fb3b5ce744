# SPDX-License-Identifier: MIT
# fish completion of usherctl.

# Pools and sessions are asked of the broker that the line means; without one there are none.
function __usherctl_ask
    set -l socket
    set -l words (commandline -opc)
    if set -l i (contains -i -- --socket $words)
        set socket --socket $words[(math $i + 1)]
    end
    usherctl --call-timeout 1s $socket $argv 2>/dev/null </dev/null | cut -f1
end

function __usherctl_needs_command
    not __fish_seen_subcommand_from $__usherctl_commands
end

set -g __usherctl_commands status ping run create start renew update release cancel attach get list who top monitor \
    history revoke pools set-pool pause resume drain reload metrics reset-metrics verify \
    call

complete -c usherctl -f

complete -c usherctl -n __usherctl_needs_command -a status -d 'show at a glance how the broker and its pools are'
complete -c usherctl -n __usherctl_needs_command -a ping -d 'see whether a broker answers'
complete -c usherctl -n __usherctl_needs_command -a run -d 'hold a session while a command runs'
complete -c usherctl -n __usherctl_needs_command -a create -d 'take a slot, and print the session\'s id'
complete -c usherctl -n __usherctl_needs_command -a start -d 'mark a session\'s work as begun'
complete -c usherctl -n __usherctl_needs_command -a renew -d 'set a session\'s deadline anew'
complete -c usherctl -n __usherctl_needs_command -a update -d 'replace a session\'s metadata'
complete -c usherctl -n __usherctl_needs_command -a release -d 'end a session; its slots are free'
complete -c usherctl -n __usherctl_needs_command -a cancel -d 'end the wait of a create'
complete -c usherctl -n __usherctl_needs_command -a attach -d 'give a session to another process, or to nobody'
complete -c usherctl -n __usherctl_needs_command -a get -d 'show a session'
complete -c usherctl -n __usherctl_needs_command -a list -d 'list live and waiting sessions, the oldest first'
complete -c usherctl -n __usherctl_needs_command -a who -d 'show who holds the slots of each pool, and who waits'
complete -c usherctl -n __usherctl_needs_command -a top -d 'watch pools, holders and waiters, full screen'
complete -c usherctl -n __usherctl_needs_command -a monitor -d 'show what happens, as it happens'
complete -c usherctl -n __usherctl_needs_command -a history -d 'list ended sessions, the newest first'
complete -c usherctl -n __usherctl_needs_command -a revoke -d 'ask for the end of a session, or force it'
complete -c usherctl -n __usherctl_needs_command -a pools -d 'list the pools, or show all settings of one'
complete -c usherctl -n __usherctl_needs_command -a set-pool -d 'change a pool\'s settings, or make a pool (admin)'
complete -c usherctl -n __usherctl_needs_command -a pause -d 'refuse new sessions of a pool, or of all (admin)'
complete -c usherctl -n __usherctl_needs_command -a resume -d 'end the pause of a pool, or of all and a drain (admin)'
complete -c usherctl -n __usherctl_needs_command -a drain -d 'refuse new sessions and wait for those that live (admin)'
complete -c usherctl -n __usherctl_needs_command -a reload -d 'have the broker read its configuration files again (admin)'
complete -c usherctl -n __usherctl_needs_command -a metrics -d 'show counters and distributions'
complete -c usherctl -n __usherctl_needs_command -a reset-metrics -d 'begin to count anew (admin)'
complete -c usherctl -n __usherctl_needs_command -a verify -d 'have the broker check its counts, table and store'
complete -c usherctl -n __usherctl_needs_command -a call -d 'call any method, and print its reply as JSON'

complete -c usherctl -l socket -r -d 'the broker\'s socket (else $USHER_SOCKET, or the usual one)'
complete -c usherctl -l call-timeout -x -d 'give up if the broker does not answer for so long (else 30s); no limit to what you ask it to wait for'
complete -c usherctl -s j -l json -d 'print JSON'
complete -c usherctl -s h -l help -d 'print this help'
complete -c usherctl -n __usherctl_needs_command -l version -d 'print the version'

complete -c usherctl -n '__fish_seen_subcommand_from ping' -s t -l timeout -x -d 'wait at most so long (else 5s)'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'the pool (else "default")'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s u -l units -x -d 'how many slots to take at once (else 1)'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s w -l wait -x -d 'wait no longer than this for the slots (else for ever)'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s n -l no-wait -d 'do not wait: fail at once if the pool is full'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s E -l refused-code -x -d 'exit status of a refusal that may pass (else 125)'
complete -c usherctl -n '__fish_seen_subcommand_from run' -l priority -x -d '0 to 9: a head start in the queue (else 0)'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s L -l label -x -d 'a label, at most 128 bytes'
complete -c usherctl -n '__fish_seen_subcommand_from run' -s m -l metadata -x -d 'a JSON object; @FILE reads a file, - standard input'
complete -c usherctl -n '__fish_seen_subcommand_from run' -l time-limit -x -d 'end COMMAND with TERM after so long'
complete -c usherctl -n '__fish_seen_subcommand_from run' -l kill-after -x -d 'KILL so long after that TERM (else 10s)'
complete -c usherctl -n '__fish_seen_subcommand_from create' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'the pool (else "default")'
complete -c usherctl -n '__fish_seen_subcommand_from create' -s u -l units -x -d 'how many slots to take at once (else 1)'
complete -c usherctl -n '__fish_seen_subcommand_from create' -s L -l label -x -d 'a label, at most 128 bytes'
complete -c usherctl -n '__fish_seen_subcommand_from create' -s m -l metadata -x -d 'a JSON object; @FILE reads a file, - standard input'
complete -c usherctl -n '__fish_seen_subcommand_from create' -s t -l timeout -x -d 'deadline, as 30s or 1h 30min; infinity for none, which --detached does not take'
complete -c usherctl -n '__fish_seen_subcommand_from create' -l request-id -x -d 'repeating a create with the same ID is safe'
complete -c usherctl -n '__fish_seen_subcommand_from create' -l owner-pid -x -a '(__fish_complete_pids)' -d 'ends with this process, as a script\'s $$'
complete -c usherctl -n '__fish_seen_subcommand_from create' -l detached -d 'ends only by release or deadline'
complete -c usherctl -n '__fish_seen_subcommand_from create' -s w -l wait -x -d 'wait so long for a slot, or infinity (else not)'
complete -c usherctl -n '__fish_seen_subcommand_from create' -l priority -x -d 'a head start in the queue (else 0)'
complete -c usherctl -n '__fish_seen_subcommand_from create' -l export -d 'print shell assignments, for eval'
complete -c usherctl -n '__fish_seen_subcommand_from renew' -s t -l timeout -x -d 'the new deadline, from now; infinity for none, which a detached session cannot have'
complete -c usherctl -n '__fish_seen_subcommand_from update' -s m -l metadata -x -d 'the new metadata, a JSON object (required); @FILE reads a file, - standard input'
complete -c usherctl -n '__fish_seen_subcommand_from release' -l outcome -x -a 'completed error cancelled' -d 'completed (the default), error or cancelled'
complete -c usherctl -n '__fish_seen_subcommand_from release' -l result -x -d 'a note for the history, at most 1024 bytes'
complete -c usherctl -n '__fish_seen_subcommand_from attach' -l owner-pid -x -a '(__fish_complete_pids)' -d 'ends with this process, as a script\'s $$'
complete -c usherctl -n '__fish_seen_subcommand_from attach' -l detached -d 'ends only by release or deadline'
complete -c usherctl -n '__fish_seen_subcommand_from get' -l request-id -x -d 'the session of yours that was created with this ID'
complete -c usherctl -n '__fish_seen_subcommand_from list' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'those of this pool'
complete -c usherctl -n '__fish_seen_subcommand_from list' -l uid -x -a '(__fish_complete_users)' -d 'those of this user, a name or a number'
complete -c usherctl -n '__fish_seen_subcommand_from list' -l pid -x -a '(__fish_complete_pids)' -d 'those of this process'
complete -c usherctl -n '__fish_seen_subcommand_from list' -l state -x -a 'waiting idle processing' -d 'waiting, idle or processing'
complete -c usherctl -n '__fish_seen_subcommand_from list' -s L -l label -x -d 'those with this label'
complete -c usherctl -n '__fish_seen_subcommand_from list' -l where -x -d 'those whose metadata has these members'
complete -c usherctl -n '__fish_seen_subcommand_from list' -s l -l limit -x -d 'at most so many, the oldest first'
complete -c usherctl -n '__fish_seen_subcommand_from who' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'this pool only'
complete -c usherctl -n '__fish_seen_subcommand_from top' -s d -l delay -x -d 'from one look at the broker to the next (else 1s)'
complete -c usherctl -n '__fish_seen_subcommand_from top' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'begin with this pool alone'
complete -c usherctl -n '__fish_seen_subcommand_from monitor' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'what concerns this pool only'
complete -c usherctl -n '__fish_seen_subcommand_from monitor' -l no-snapshot -d 'begin with what happens next'
complete -c usherctl -n '__fish_seen_subcommand_from history' -s l -l limit -x -d 'at most so many (else 100; 1000 at most)'
complete -c usherctl -n '__fish_seen_subcommand_from revoke' -l reason -x -d 'why, for its owner and the log; at most 256 bytes'
complete -c usherctl -n '__fish_seen_subcommand_from revoke' -s k -l kill -d 'send its process TERM, and KILL if it does not let go'
complete -c usherctl -n '__fish_seen_subcommand_from revoke' -l grace -x -d 'from TERM to KILL (else 10s; infinity: no KILL)'
complete -c usherctl -n '__fish_seen_subcommand_from revoke' -s f -l force -d 'end it at once, whatever its owner does'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -s l -l limit -x -d 'how many slots'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l max-metadata-bytes -x -d 'longest metadata, with K or M if you like'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l default-timeout -x -d 'deadline of sessions that ask for none'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l max-timeout -x -d 'longest timeout accepted'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l max-duration -x -d 'longest life, renewals or not'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l on-timeout -x -a 'release hold' -d 'release or hold'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l max-waiters -x -d 'how many may wait'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l per-uid-waiters -x -d 'how many of one user may wait, or none'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l per-uid-limit -x -d 'slots that one user may hold, or none'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l per-process-limit -x -d 'the same for one process'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l per-label-limit -x -d 'the same for one label'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l fair-by -x -a 'uid process label none' -d 'share between: uid, process, label or none'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l age-step -x -d 'the head start of one step of priority'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l starve-after -x -d 'who waits longer goes first; or infinity'
complete -c usherctl -n '__fish_seen_subcommand_from set-pool' -l enforce -x -a 'yes no' -d 'whether to refuse, or only to count what would be'
complete -c usherctl -n '__fish_seen_subcommand_from pause' -l for -x -d 'ends by itself after so long (else with \'usherctl resume\')'
complete -c usherctl -n '__fish_seen_subcommand_from pause' -l reason -x -d 'told to those who are refused; at most 256 bytes'
complete -c usherctl -n '__fish_seen_subcommand_from drain' -s t -l timeout -x -d 'wait at most so long (else 30s), or infinity'
complete -c usherctl -n '__fish_seen_subcommand_from drain' -l exit -d 'then end the broker, whether or not sessions are left'
complete -c usherctl -n '__fish_seen_subcommand_from metrics' -s p -l pool -x -a '(__usherctl_ask pools)' -d 'of this pool alone'
complete -c usherctl -n '__fish_seen_subcommand_from metrics' -l openmetrics -d 'print OpenMetrics text'
complete -c usherctl -n '__fish_seen_subcommand_from metrics' -s o -l output -r -d 'replace FILE, in one step, instead of printing'
complete -c usherctl -n '__fish_seen_subcommand_from call' -l more -d 'ask for a stream of replies; one is printed a line'

complete -c usherctl -n '__fish_seen_subcommand_from start renew update release attach get monitor revoke' -a '(__usherctl_ask list --limit 100)'
complete -c usherctl -n '__fish_seen_subcommand_from pools set-pool pause resume' -a '(__usherctl_ask pools)'
complete -c usherctl -n '__fish_seen_subcommand_from run' -x -a '(__fish_complete_subcommand --fcs-skip=2)'
