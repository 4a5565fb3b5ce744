# SPDX-License-Identifier: MIT
# fish completion of usherd.

complete -c usherd -f
complete -c usherd -l config -r -F -d 'read FILE, then FILE.d/*.conf'
complete -c usherd -l socket -r -F -d 'serve PATH'
complete -c usherd -l state-dir -x -a '(__fish_complete_directories)' -d 'keep there what outlives a restart'
complete -c usherd -l state -x -a none -d 'keep nothing'
complete -c usherd -l workers -x -a 'auto 1 2 4' -d 'event loops'
complete -c usherd -l check-config -d 'print the configuration as it is in force'
complete -c usherd -l version -d 'print the version'
complete -c usherd -l help -d 'print this help'
