# SPDX-License-Identifier: MIT
"""The daemon as an administrator meets it: options, configuration, sockets, activation, signals."""
import grp
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from broker import Broker, Client, wait_for

USHERD = os.environ["USHERD"]


def usherd(*arguments, **environment):
    return subprocess.run([USHERD, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env={**os.environ, **environment})


class InDirectory(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="usher-test."))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)


class Configuration(InDirectory):
    def check(self, text, drop_ins=()):
        path = self.directory / "usherd.conf"
        path.write_text(text)
        shutil.rmtree(f"{path}.d", ignore_errors=True)
        for name, content in drop_ins:
            pathlib.Path(f"{path}.d").mkdir(exist_ok=True)
            (pathlib.Path(f"{path}.d") / name).write_text(content)
        return path, usherd("--config", path, "--check-config")

    def test_a_wrong_line_is_reported_with_file_line_and_what_was_expected(self):
        cases = [
            ("[broker]\nworkers = many\n", 2, 'workers: expected auto or an integer from 1 to 64'),
            ("[broker]\n\nworkrs = 1\n", 3, 'unknown key "workrs" in [broker]: expected workers'),
            ("[pool x]\nlimit = 0\n", 2, "limit: expected an integer from 1 to 16777216"),
            ("[pool x]\nlimit = 3x\n", 2, "limit: expected an integer"),
            ("[pool x]\nlimit = 99999999999999999999\n", 2, "limit: expected an integer"),
            ("[pool x]\ndefault_timeout = soon\n", 2, "default_timeout: expected a duration"),
            ("[pool x]\ndefault_timeout = 0\n", 2, "default_timeout: expected a duration"),
            ("[pool x]\nmax_metadata_bytes = 1G\n", 2, "max_metadata_bytes: expected a size"),
            ("[pool x]\non_timeout = drop\n", 2, "on_timeout: expected one of release, hold"),
            ("[broker]\nsocket_mode = 0888\n", 2, "socket_mode: expected an octal mode"),
            ("[broker]\nruntime_changes = maybe\n", 2, "runtime_changes: expected yes or no"),
            ("[broker]\nadmin_group = nonesuch-group\n", 2, "expected the name of a group"),
            ("[broker]\nsocket_group = nonesuch-group\n", 2, "expected the name of a group"),
            ("[pool x]\nallow = root, nonesuch-user\n", 2, 'not "nonesuch-user"'),
            ("[broker] junk\n", 1, "expected nothing but a ; comment after [broker]"),
            ("[broker]\nmax_connections = 9\nreserved_connections = 9\n", 3, "less than"),
            ("[pools x]\n", 1, "expected [broker] or [pool NAME]"),
            ("[pool]\n", 1, "expected [pool NAME]"),
            ("[pool a b]\n", 1, "expected [pool NAME]"),
            ("[pool " + "x" * 41 + "]\n", 1, "expected [pool NAME]"),
            ("limit = 3\n", 1, 'expected [broker] or [pool NAME] before "limit"'),
            ("[broker\nworkers = 1\n", 1, "expected [section]"),
            ("[broker]\njust words\n", 2, "expected [section], key = value"),
            ("[broker]\nsocket = " + "x" * 300 + "\n", 2, "expected a line of at most"),
            ("[pool x]\nmax_timeout = 1s\ndefault_timeout = 2s\n", 3, "at most max_timeout"),
        ]
        for text, line, expected in cases:
            with self.subTest(text=text[:60]):
                path, result = self.check(text)
                self.assertEqual(result.returncode, 78)
                self.assertIn(expected, result.stderr)
                if line:
                    self.assertIn(f"{path}:{line}: ", result.stderr)
                self.assertEqual(result.stdout, "")

    def test_drop_ins_win_in_the_order_of_their_names(self):
        _, result = self.check("[pool a]\nlimit = 1\n; a comment\n[pool bare]\n", [
            ("20.conf", "[pool a]\nlimit = 3\n"), ("10.conf", "[pool a]\nlimit = 2\n"),
            ("readme", "not read"), ("30.conf", "[pool a]\n  max_duration = 1h 30min ; indented\n")])
        self.assertEqual(result.returncode, 0, result.stderr)
        section = result.stdout.partition("[pool a]\n")[2].partition("[pool")[0]
        self.assertIn("limit = 3\n", section)
        self.assertIn("[pool bare]\nlimit = 200\n", result.stdout)
        # What it prints is a configuration again, and the same one.
        path, again = self.check(result.stdout)
        self.assertEqual((again.returncode, again.stdout), (0, result.stdout))

    def test_a_wrong_drop_in_names_its_own_file(self):
        path, result = self.check("[broker]\n", [("x.conf", "\n[broker]\nhistory = -1\n")])
        self.assertIn(f"{path}.d/x.conf:3: history: expected", result.stderr)

    def test_a_missing_file_is_an_error_only_if_it_was_named(self):
        self.assertIn("No such file", usherd("--config", self.directory / "no", "--check-config").stderr)
        result = usherd("--check-config", HOME=str(self.directory), XDG_CONFIG_HOME="")
        self.assertEqual(result.returncode, 0)


class Reloads(unittest.TestCase):
    def test_reloads_on_several_loops_put_one_file_in_force(self):
        many = "".join(f"[pool p{n}]\n" for n in range(50))
        texts = ["[broker]\nruntime_changes = yes\n[pool a]\nlimit = 1\n" + many,
                 "[broker]\nruntime_changes = no\n[pool a]\nlimit = 2\n"]
        broker = Broker(texts[0], "--workers", "4")
        self.addCleanup(broker.kill)
        clients = [broker.client() for _ in range(4)]
        replacement = broker.directory / "new"
        reload = json.dumps({"method": "io.usher.Broker.Reload"}).encode() + b"\0"
        for _ in range(100):
            for client in clients:
                client.send_raw(4 * reload)
            for n in range(4):  # the file changes while they read it
                for client in clients:
                    replacement.write_text(texts[n % 2])
                    os.replace(replacement, broker.config)
                    client.result()
            limit = {p["pool"]: p for p in clients[0].call("ListPools")["pools"]}["a"]["limit"]
            clients[0].send("SetPool", {"pool": "other", "limit": 1})
            self.assertEqual("error" in clients[0].receive(), limit == 2)
        for client in clients:
            client.close()
        broker.stop()


class CommandLine(InDirectory):
    def test_wrong_options_are_named_and_never_crash(self):
        for arguments in (["--nope"], ["--workers"], ["--workers", "0"], ["--workers", "65"],
                          ["--workers", "9" * 50], ["--workers", ""], ["stray"], ["--socket"],
                          ["--state-dir"], ["--state-dir", ""], ["--state"], ["--state", "some"],
                          ["--state", "none", "--state-dir", "d"],
                          ["-x"], ["--config"], [""], ["--check-config=1"]):
            with self.subTest(arguments=arguments):
                result = usherd(*arguments)
                self.assertEqual(result.returncode, 2)
                self.assertIn("usherd: ", result.stderr)

    def test_version_and_help(self):
        self.assertRegex(usherd("--version").stdout, r"^usherd \d+\.\d+\.\d+\n$")
        self.assertIn("--check-config", usherd("--help").stdout)

    def test_a_path_that_is_too_long_is_refused_by_name(self):
        for length, is_fine in ((107, True), (108, False)):
            path = str(self.directory / "x")
            path += "x" * (length - len(path))
            if is_fine:
                process = subprocess.Popen([USHERD, "--socket", path], stderr=subprocess.DEVNULL)
                wait_for(lambda: os.path.exists(path), "the socket")
                process.terminate()
                self.assertEqual(process.wait(30), 0)
                self.assertFalse(os.path.exists(path))
            else:
                result = usherd("--socket", path)
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"{path}: expected a socket path of at most 107 bytes, not 108",
                              result.stderr)

    def test_without_a_place_for_the_socket_it_says_what_to_give(self):
        if os.geteuid() == 0:
            result = usherd("--socket", "")
        else:
            result = usherd(XDG_RUNTIME_DIR="")
        self.assertEqual(result.returncode, 1)
        self.assertIn("socket", result.stderr)


class Sockets(InDirectory):
    def start(self, *arguments):
        process = subprocess.Popen([USHERD, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def test_a_second_daemon_on_the_same_socket_leaves_it_alone(self):
        broker = Broker()
        self.addCleanup(broker.kill)
        second = usherd("--socket", broker.socket)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"{broker.socket}: another usherd serves this socket", second.stderr)
        with broker.client() as client:
            client.create()
        # Nor is a socket taken that some other program listens on.
        path = self.directory / "theirs"
        with socket.socket(socket.AF_UNIX) as theirs:
            theirs.bind(str(path))
            theirs.listen(1)
            self.assertIn("another program serves this socket", usherd("--socket", path).stderr)
        broker.stop()

    def test_a_socket_left_by_a_killed_daemon_is_taken_over(self):
        path = self.directory / "s"
        for number in (signal.SIGKILL, signal.SIGTERM):
            process = self.start("--socket", path)
            wait_for(lambda: self.can_connect(path), "the broker")
            process.send_signal(number)
            process.wait(30)
        self.assertFalse(path.exists())

    def can_connect(self, path):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0

    def test_what_is_no_socket_is_left_alone(self):
        path = self.directory / "file"
        path.write_text("mine")
        self.assertIn("exists and is no socket", usherd("--socket", path).stderr)
        self.assertEqual(path.read_text(), "mine")
        result = usherd("--socket", self.directory / "no" / "such" / "s")
        self.assertIn("No such file or directory", result.stderr)

    def test_mode_is_as_configured(self):
        broker = Broker("[broker]\nsocket_mode = 0640\n")
        self.addCleanup(broker.kill)
        self.assertEqual(broker.socket.stat().st_mode & 0o7777, 0o640)
        broker.stop()

    def activate(self, fd):
        """The daemon as systemd starts it: FD as descriptor 3."""
        def prepare():
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = "1"
            os.dup2(fd, 3)
            os.set_inheritable(3, True)
            os.execv(USHERD, [USHERD])

        pid = os.fork()
        if pid == 0:
            try:
                prepare()
            finally:
                os._exit(127)
        return pid

    def test_an_activated_listening_socket_is_served_and_kept(self):
        path = self.directory / "s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(16)
            pid = self.activate(listener.fileno())
            with Client(path) as client:
                client.create()
            os.kill(pid, signal.SIGTERM)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertTrue(path.exists())

    def test_an_activated_connection_is_served_and_its_end_is_the_daemons(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        pid = self.activate(theirs.fileno())
        theirs.close()
        client = Client.__new__(Client)
        client.socket, client.rest = ours, b""
        client.create()
        client.close()
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


class Signals(unittest.TestCase):
    def test_hangup_reloads_and_interrupt_ends(self):
        broker = Broker("[pool a]\nlimit = 1\n")
        self.addCleanup(broker.kill)
        broker.config.write_text("[pool a]\nlimit = 5\n")
        broker.process.send_signal(signal.SIGHUP)
        with broker.client() as client:
            wait_for(lambda: client.call("ListPools")["pools"][0]["limit"] == 5, "the reload")
        log = broker.stop(signal.SIGINT)
        self.assertIn("configuration reloaded (asked for by SIGHUP)", log)
        self.assertIn("ending on SIGINT", log)

    def test_a_reload_warns_of_what_takes_effect_at_the_next_start(self):
        warning = "take effect at the next start"
        settings = [f"socket = {tempfile.gettempdir()}/elsewhere", "socket_mode = 0600",
                    f"socket_group = {grp.getgrgid(os.getegid()).gr_name}", "workers = 7",
                    "history = 77", "reattach_grace = 7s", "max_state = 77M", "max_connections = 77"]
        broker = Broker("[broker]\n")
        self.addCleanup(broker.kill)
        with broker.client() as client:
            for n, setting in enumerate(settings, 1):
                broker.config.write_text("[broker]\n" + "\n".join(settings[:n]))
                client.call("Reload")
                self.assertEqual(broker.log.read_text().count(warning), n, setting)
                client.call("Reload")
                self.assertEqual(broker.log.read_text().count(warning), n, setting)
            broker.config.write_text("[broker]\n" + "\n".join(settings) + "\nlog_level = debug\n")
            client.call("Reload")
        self.assertEqual(broker.stop().count(warning), len(settings))

    def manager(self, address):
        """What is told at ADDRESS, as long as it is open."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.bind(address)
        notify.settimeout(30)
        return notify

    def notifying(self, address):
        broker = Broker("", NOTIFY_SOCKET=address, WATCHDOG_USEC="200000")
        self.addCleanup(broker.kill)
        return broker

    @staticmethod
    def hear(notify, what, times=1, told=""):
        while told.count(what) < times:
            told += notify.recv(4096).decode() + "\n"
        return told

    def test_systemd_is_told_of_readiness_status_and_the_watchdog(self):
        with tempfile.TemporaryDirectory() as directory:
            notify = self.manager(directory + "/notify")
            broker = self.notifying(directory + "/notify")
            told = self.hear(notify, "WATCHDOG=1", 3)
            told = self.hear(notify, "STATUS=", 1, told)
            self.assertIn("READY=1", told)
            self.assertIn("STATUS=0/200 active, 0 waiting", told)
            broker.process.send_signal(signal.SIGHUP)
            told = self.hear(notify, "RELOADING=1", 1, told)
            told = self.hear(notify, "READY=1", 2, told)
            self.assertRegex(told, r"MONOTONIC_USEC=\d+")
            broker.stop()
            self.hear(notify, "STOPPING=1", 1, told)

    def test_systemd_may_listen_in_the_abstract(self):
        name = f"usher-test.{os.getpid()}"
        notify = self.manager("\0" + name)
        broker = self.notifying("@" + name)
        self.assertIn("READY=1", self.hear(notify, "WATCHDOG=1", 3))
        broker.stop()

    def test_a_manager_that_makes_its_socket_anew_is_told_there(self):
        with tempfile.TemporaryDirectory() as directory:
            notify = self.manager(directory + "/notify")
            broker = self.notifying(directory + "/notify")
            self.hear(notify, "WATCHDOG=1")
            notify.close()
            os.unlink(directory + "/notify")
            self.hear(self.manager(directory + "/notify"), "WATCHDOG=1", 3)
            broker.stop()

    def test_a_manager_that_cannot_be_told_is_no_reason_to_end(self):
        for address in "", "/", "@", "relative", "/" + 200 * "x", "/nowhere/notify", "@usher-test.nobody":
            with self.subTest(address=address):
                broker = self.notifying(address)
                with broker.client() as client:
                    client.create()
                broker.stop()

    def test_a_low_limit_of_open_files_sheds_and_recovers(self):
        broker = Broker("[broker]\nmax_connections = 8\nreserved_connections = 0\n")
        self.addCleanup(broker.kill)
        import resource
        with broker.client() as client:
            client.call("GetMetrics")  # answered: what is opened at the start has been
            used = len(os.listdir(f"/proc/{broker.process.pid}/fd")) - 1
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (used + 4, used + 4))
        clients = [broker.client() for _ in range(8)]  # some wait in the backlog
        wait_for(lambda: "cannot accept connections for now" in broker.log.read_text(), "the log")
        clients[0].create()
        for client in clients[1:5]:
            client.close()
        clients[5].create()
        for client in clients:
            client.close()
        broker.stop()


if __name__ == "__main__":
    unittest.main()
