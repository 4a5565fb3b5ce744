# SPDX-License-Identifier: MIT
# fish completion of usher-bench.

complete -c usher-bench -f
complete -c usher-bench -l socket -r -F -d 'the broker\'s socket'
complete -c usher-bench -l pool -x -a '(usherctl --call-timeout 1s pools 2>/dev/null | cut -f1)' -d 'the pool'
complete -c usher-bench -l owner -x -a 'connection process detached' -d 'what the sessions end with'
complete -c usher-bench -l waiters -x -d 'requests that wait meanwhile'
complete -c usher-bench -l waiters-pool -x -a '(usherctl --call-timeout 1s pools 2>/dev/null | cut -f1)' -d 'the pool that is filled for them'
complete -c usher-bench -l idle -x -d 'idle connections meanwhile'
complete -c usher-bench -l operation -x -a 'create+release create renew get wait list metrics connect' -d 'what is measured'
complete -c usher-bench -l connections -x -d 'connections'
complete -c usher-bench -l depth -x -d 'requests in flight on each'
complete -c usher-bench -l threads -x -d 'threads that share the connections'
complete -c usher-bench -l duration -x -d 'how long to measure'
complete -c usher-bench -l warmup -x -d 'how long to run before'
complete -c usher-bench -l count -x -d 'end after so many operations'
complete -c usher-bench -l rate -x -d 'begin so many operations a second'
complete -c usher-bench -l metadata -x -d 'bytes of each session\'s metadata'
complete -c usher-bench -l sessions -x -d 'sessions to hold meanwhile'
complete -c usher-bench -l json -d 'print JSON'
complete -c usher-bench -l version -d 'print the version'
complete -c usher-bench -l help -d 'print this help'
