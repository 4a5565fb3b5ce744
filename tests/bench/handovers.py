# SPDX-License-Identifier: MIT
"""How soon a slot that becomes free is the next one's, by the program `handover`."""
import json
import os

import peers
import process
import rounds

TITLES = {"round_trip": "a round trip", "release_to_grant": "Release to grant",
          "kill_notice_process": "the kernel's notice of a kill, by pidfd",
          "kill_notice_connection": "the kernel's notice of a kill, by the socket",
          "kill_to_grant_process": "kill to grant, held by a process",
          "kill_to_grant_connection": "kill to grant, held by a connection"}


def handed_over(bench):
    command = [bench.programs["handover"], "--json", bench.programs["usherd"],
               bench.options.handovers]
    found = json.loads(process.output_of(command, process.PATIENCE,
                                         env={**os.environ, **peers.AS_THE_SERVICE}))
    return [("handover", name, found[name]["p50_us"], found[name]) for name in TITLES]


def measure(bench):
    bench.results.declare("handover", "A slot that becomes free: p50", "us", "less", "round_trip",
                          TITLES)
    bench.run([rounds.Step("handover", "all", lambda: handed_over(bench))], "handover")
