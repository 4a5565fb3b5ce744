# SPDX-License-Identifier: MIT
"""A service manager of a test's own, as far as usherd can tell it from systemd: a notify socket, a
store for descriptors, and restarts that pass the stored ones on (sd_notify(3), sd_listen_fds(3))."""
import array
import fcntl
import os
import select
import signal
import socket
import stat
import subprocess
import threading

from broker import PATIENCE, Broker

FIRST = 3  # SD_LISTEN_FDS_START
ABOVE = 64  # where the manager keeps what it passes on, out of the way of where that goes


class Store:
    """Named descriptors. Ones whose other end hangs up are dropped, as systemd does."""

    def __init__(self, room):
        self.room = room
        self.is_deaf = False  # to what it is to remove
        self.items = []  # (name, fd), in the order of arrival
        self.lock = threading.Lock()

    def add(self, name, fds):
        with self.lock:
            for fd in fds:
                if len(self.items) >= self.room:
                    os.close(fd)  # systemd says so in its log only
                    continue
                self.items.append((name, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ABOVE)))
                os.close(fd)

    def remove(self, name):
        if self.is_deaf:
            return
        with self.lock:
            for item in [item for item in self.items if item[0] == name]:
                self.items.remove(item)
                os.close(item[1])

    def drop_hung_up(self):
        with self.lock:
            for item in list(self.items):
                if not stat.S_ISSOCK(os.fstat(item[1]).st_mode):
                    continue
                poll = select.poll()
                poll.register(item[1], 0)
                if poll.poll(0):
                    self.items.remove(item)
                    os.close(item[1])

    def close(self):
        self.is_deaf = False
        for name in {name for name, _ in self.items}:
            self.remove(name)


class Notifications(threading.Thread):
    """What the service says. READY is an event; all messages are kept."""

    def __init__(self, path, store):
        super().__init__(daemon=True)
        self.store = store
        self.ready = threading.Event()
        self.messages = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.stopper = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.stopper.connect(str(path))  # which may be gone when it is time

    def run(self):
        while True:
            text, fds = self.receive()
            if text == "STOP=1":
                return
            self.obey(text.splitlines(), fds)
            self.messages.append(text)

    def receive(self):
        data, control, flags, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
        fds = array.array("i")
        for level, kind, content in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content[:len(content) // 4 * 4])
        assert not flags & socket.MSG_CTRUNC
        return data.decode(), list(fds)

    def obey(self, lines, fds):
        values = dict(line.partition("=")[::2] for line in lines)
        name = values.get("FDNAME", "stored")
        if values.get("FDSTORE") == "1":
            self.store.add(name, fds)
            fds = []
        if values.get("FDSTOREREMOVE") == "1":
            self.store.remove(name)
        for fd in fds:  # a barrier's, which is over when this is closed
            os.close(fd)
        if values.get("READY") == "1":
            self.ready.set()

    def stop(self):
        self.stopper.send(b"STOP=1")
        self.join()
        self.stopper.close()
        self.socket.close()


class Service(Broker):
    """A broker under the manager. ACTIVATED: the manager has its socket."""

    def __init__(self, config="", *options, activated=True, room=9, **environment):
        self.activated = activated
        self.store = Store(room)
        self.listener = None
        self.limit_files = None
        self.wrapper = []  # a command that runs the broker in its own place
        self.options, self.environment = options, environment
        super().__init__(config, *options, **environment)

    def start(self, *options, **environment):
        self.notifications = Notifications(self.directory / "notify", self.store)
        self.notifications.start()
        if self.activated:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.socket))
            self.listener.listen(4096)
        self.options, self.environment = options, environment
        self.run()

    def passed(self):
        listeners = [("varlink", fcntl.fcntl(self.listener, fcntl.F_DUPFD_CLOEXEC, ABOVE))] \
            if self.listener else []
        return listeners + self.store.items

    def spawn(self):
        """Start the daemon with all that is to be passed, and do not wait for it."""
        self.notifications.ready.clear()
        self.store.drop_hung_up()
        passed = self.passed()
        fds = [fd for _, fd in passed]
        moves = "".join(f"exec {FIRST + i}<&{fd} {fd}<&-; " for i, fd in enumerate(fds))
        environment = {
            **os.environ, **self.environment, "NOTIFY_SOCKET": str(self.directory / "notify"),
            "FDSTORE": str(self.store.room)}
        if fds:
            environment["LISTEN_FDS"] = str(len(fds))
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in passed)
        if self.limit_files:
            moves += f"ulimit -n {self.limit_files}; "
        command = [os.environ["USHERD"], "--config", self.config, "--socket", self.socket,
                   "--workers", "2"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", moves + 'LISTEN_PID=$$ exec "$@"', "bash", *self.wrapper, *command,
                 *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds, env=environment)
        if self.listener:
            os.close(fds[0])

    def run(self):
        self.spawn()
        self.wait_until_ready()

    def wait_until_ready(self):
        while not self.notifications.ready.wait(0.05):
            if self.process.poll() is not None:
                raise AssertionError("the broker ended: " + self.text())

    def text(self):
        return self.log.read_text(errors="replace")

    def end(self, number=signal.SIGTERM):
        """End the process; its status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def restart(self):
        status = self.end()
        if status != 0:
            raise AssertionError(f"the broker ended with {status}: {self.text()[-8000:]}")
        self.run()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self):
        self.notifications.stop()
        self.store.close()
        if self.listener:
            self.listener.close()
            self.listener = None

    def stop(self, number=signal.SIGINT):
        """For good: SIGINT hands nothing over."""
        try:
            return super().stop(number)
        finally:
            self.close()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.notifications.is_alive():
            self.close()
        super().kill()
