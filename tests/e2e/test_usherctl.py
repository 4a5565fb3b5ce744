# SPDX-License-Identifier: MIT
"""usherctl as a person and a script use it, on a real broker."""
import json
import os
import pathlib
import pty
import signal
import subprocess
import time
import unittest

from broker import BrokerTest, wait_for

USHERCTL = os.environ["USHERCTL"]
COMMANDS = ("status ping run create start renew update release cancel attach get list who top monitor history revoke "
            "pools set-pool pause resume drain reload metrics reset-metrics verify call").split()


class Ctl(BrokerTest):
    CONFIG = "[pool gpu]\nlimit = 2\n"

    def ctl(self, *arguments, status=0, stdin=None, **environment):
        result = subprocess.run([USHERCTL, *arguments], text=True, timeout=60, input=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "USHER_SOCKET": str(self.broker.socket), **environment})
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stdout}{result.stderr}")
        self.err = result.stderr
        return result.stdout

    def popen(self, *arguments, **more):
        process = subprocess.Popen([USHERCTL, *arguments], stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "USHER_SOCKET": str(self.broker.socket)}, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def test_a_session_by_hand(self):
        session_id = self.ctl("create", "--detached", "--metadata", '{"n":9007199254740993}').strip()
        self.assertRegex(session_id, r"^session_[0-9a-f]{12}$")
        shown = json.loads(self.ctl("get", session_id, "--json"))
        self.assertEqual(shown["state"], "idle")
        self.ctl("start", USHER_SESSION=session_id)
        self.ctl("renew", session_id, "--timeout", "1h")
        self.assertIn("9007199254740993", self.ctl("list", "--where", '{"n":9007199254740993}'))
        self.ctl("update", session_id, "--metadata", '{"a": 1}')
        self.assertIn('{"a": 1}', self.ctl("list", "--json"))
        self.ctl("release", session_id, "--outcome", "error", "--result", "no luck")
        self.assertIn("no luck", self.ctl("history"))
        self.ctl("release", session_id, status=19)
        self.assertIn("error", self.err)
        self.ctl("get", "session_000000000000", status=18)

    def test_metadata_may_end_with_a_line_end(self):
        for arguments in (("create", "--detached", "--metadata", "-"), ("create", "--detached", "-m", '\n{"a":1}\n ')):
            session_id = self.ctl(*arguments, stdin='{"a":1}\n').strip()
            self.assertEqual(json.loads(self.ctl("get", session_id, "--json"))["metadata_bytes"], 7)

    def test_eval_of_a_refused_create_fails(self):
        script = 'eval "$("$USHERCTL" create --detached --export %s 2>/dev/null)" || { echo "no <$USHER_SESSION>"; exit 3; }; echo yes'
        for options, output, status in (("", "yes\n", 0), ("-p nope", "no <>\n", 3), ("--no-such-option", "no <>\n", 3)):
            result = subprocess.run(["sh", "-c", script % options], text=True, stdout=subprocess.PIPE, timeout=60,
                                    env={**os.environ, "USHER_SOCKET": str(self.broker.socket), "USHER_SESSION": "outer"})
            self.assertEqual((result.stdout, result.returncode), (output, status))
        self.assertNotIn("false", self.ctl("create", "--export", "--help").splitlines())

    def test_a_refusal_with_code_0_runs_nothing(self):
        for _ in range(2):
            self.ctl("create", "-p", "gpu", "--detached")
        self.assertEqual(self.ctl("run", "-n", "-p", "gpu", "-E", "0", "--", "echo", "ran"), "")
        self.assertIn("is full", self.err)
        self.assertNotIn("Sanitizer", self.err)

    def test_a_command_that_releases_its_session_is_no_error(self):
        self.ctl("run", "--", "sh", "-c", '"$USHERCTL" release', USHERCTL=USHERCTL)
        self.assertEqual(self.err, "")
        self.ctl("run", "--", "", status=127)
        self.assertIn("cannot run '': No such file", self.err)

    def test_what_clients_say_is_escaped(self):
        self.ctl("create", "--detached", "--label", "a\x1b[31mb\n", "--metadata", '{"x":"\x7f\u202e"}')
        for command in (("list",), ("get", "--request-id", "none")):
            out = self.ctl(*command, status=0 if command == ("list",) else 18)
            self.assertNotRegex(out + self.err, "[\x1b\x7f\u202e]")

    def test_a_full_pool_is_explained(self):
        for _ in range(2):
            self.ctl("create", "-p", "gpu", "--detached")
        self.ctl("create", "-p", "gpu", "--detached", status=10)
        self.assertIn('pool "gpu" is full: 2 of 2 slots are taken', self.err)
        self.assertIn("held by session_", self.err)
        self.ctl("run", "-n", "-p", "gpu", "--", "true", status=125)
        self.ctl("run", "-n", "-p", "gpu", "-E", "9", "--", "true", status=9)
        self.ctl("run", "-p", "nope", "--", "true", status=125)

    def test_run_passes_the_session_and_the_status(self):
        out = self.ctl("run", "-p", "gpu", "-u", "2", "--", "sh", "-c",
                       'echo $USHER_POOL $USHER_SLOT $USHER_SLOTS $USHER_FENCE $USHER_SOCKET; exit 7', status=7)
        self.assertRegex(out, rf"^gpu 0 0,1 \d+ {self.broker.socket}\n$")
        self.ctl("run", "--", "/nonexistent/program", status=127)
        self.ctl("run", "--", "/etc/passwd", status=126)
        self.ctl("run", "--", "sh", "-c", "kill -KILL $$", status=137)
        self.ctl("run", "--time-limit", "100ms", "--kill-after", "1s", "--", "sleep", "60", status=143)
        self.assertEqual(json.loads(self.ctl("metrics", "--json"))["active_sessions"], 0)

    def test_signals_reach_the_command(self):
        process = self.popen("run", "--", "sh", "-c", 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done')
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertEqual(process.wait(30), 5)

    def test_killing_usherctl_frees_nothing_while_the_command_works(self):
        process = self.popen("run", "-p", "gpu", "--", "sh", "-c", "echo $$; exec sleep 60")
        worker = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        client = self.client()
        time.sleep(0.2)  # what must not happen has no readiness to wait for
        self.assertEqual(client.metrics()["active_sessions"], 1)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: client.metrics()["active_sessions"] == 0, "the slot")

    def test_admin_commands(self):
        self.ctl("set-pool", "gpu", "--limit", "1")
        self.assertEqual(json.loads(self.ctl("pools", "--json").splitlines()[1])["limit"], 1)
        self.ctl("pause", "gpu", "--reason", "upgrade")
        self.ctl("create", "-p", "gpu", "--detached", status=23)
        self.assertIn("upgrade", self.err)
        self.ctl("resume", "gpu")
        session_id = self.ctl("create", "-p", "gpu", "--detached").strip()
        self.ctl("revoke", session_id)
        self.ctl("drain", "--timeout", "10ms", status=1)
        self.ctl("create", "--detached", status=22)
        self.ctl("resume")
        self.ctl("revoke", session_id, "--force")
        self.ctl("reload")
        self.broker.config.write_text("oops\n")
        self.ctl("reload", status=26)
        self.assertIn(f"{self.broker.config}:1: expected", self.err)
        self.ctl("verify")
        self.ctl("reset-metrics")
        self.assertIn("usherd", self.ctl("status"))
        self.assertIn("answered in", self.ctl("ping"))

    def test_metrics_are_written_in_one_piece(self):
        path = self.broker.directory / "usher.prom"
        self.ctl("metrics", "--openmetrics", "--output", path)
        first = path.stat().st_ino
        self.ctl("metrics", "--openmetrics", "--output", path)
        self.assertNotEqual(path.stat().st_ino, first)
        self.assertTrue(path.read_text().endswith("# EOF\n"))
        self.assertEqual([p.name for p in self.broker.directory.glob("*prom*")], ["usher.prom"])

    def test_every_command_has_help_and_names_a_wrong_option(self):
        for command in COMMANDS:
            self.assertIn("Usage: usherctl " + command, self.ctl(command, "--help"))
            self.ctl(command, "--no-such-option", status=125 if command == "run" else 2)
            self.assertIn("no-such-option", self.err)

    def test_no_argument_crashes(self):
        for command in COMMANDS:
            for arguments in ([], [""], ["x"] * 20, ["--"], ["-" * 5], ["\xff\udcff"], ["--json=x"]):
                if command in ("drain", "monitor"):
                    continue  # these go on for ever
                result = subprocess.run([USHERCTL, command, *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                        env={**os.environ, "USHER_SOCKET": str(self.broker.socket)})
                self.assertLess(result.returncode, 128, f"{command} {arguments}: {result.stderr}")
                self.assertNotIn(b"Sanitizer", result.stderr)
        with self.broker.client() as client:
            client.call("Resume")

    def test_no_broker_is_said_plainly(self):
        self.ctl("--socket", "/nonexistent/s", "ping", status=3)
        self.assertIn("no broker listens at /nonexistent/s", self.err)
        self.ctl("--socket", "/" + "x" * 120, "ping", status=2)
        self.assertIn("107", self.err)

    def test_a_terminal_gets_headings(self):
        self.ctl("create", "--detached")
        main, terminal = pty.openpty()
        process = subprocess.Popen([USHERCTL, "list"], stdout=terminal, stderr=terminal,
                                   env={**os.environ, "USHER_SOCKET": str(self.broker.socket)})
        process.wait(30)
        os.close(terminal)
        with os.fdopen(main, "rb") as screen:
            self.assertIn(b"SESSION", screen.read1(65536))


if __name__ == "__main__":
    unittest.main()
