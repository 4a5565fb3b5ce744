# SPDX-License-Identifier: MIT
"""The crash oracle: oracle.py [--rounds N] [--seed S] [--keep DIRECTORY] [--no-kills]

Clients create, change and release sessions on a broker that is killed with SIGKILL again and again,
at random moments or at a failpoint, and log all they do where no crash reaches it. After each round
their logs and the broker's own account are held against each other: rules.py has the rules. $USHERD
is the daemon, built with failpoints. The last line holds the totals; the status is 1 if anything was
violated."""
import argparse
import collections
import math
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

from checker import Checker
from journal import Journal, Reader, now
from pools import GRACE_MS, POOLS, configuration
from victim import PATIENCE, Victim
from wire import metadata_of, stream
from worker import Worker

WORKERS = 16
ROUND_S = 1.0
PEACE_EVERY = 25  # rounds: one long enough for what is to end by itself
PEACE_S = GRACE_MS / 1000 + 4.5
DEATHS = ("kill", "kill:20", "kill:60")  # at once, or while the other loop goes on
START_S = 0.08  # about what it takes to serve
REACHED_MAX = 400  # times; in a round it is rarely more
ENOUGH = 50  # rounds, for each failpoint to have had its turn
SERVING = ("store.before-commit", "store.after-commit", "conn.mid-reply")
RECOVERING = ("recovery.begin", "recovery.middle", "recovery.before-ready")


class Oracle:
    def __init__(self, seed, directory, kills_broker=True):
        self.kills_broker = kills_broker
        self.random = random.Random(seed)
        self.directory = directory
        self.victim = Victim(configuration())
        self.checker = Checker(POOLS, GRACE_MS)
        self.journal = Journal(directory / "oracle")
        self.pids = {}  # of the workers that run, by number
        self.readers = {}
        self.kills = collections.Counter()
        self.n_workers = 0

    def note(self, kind, **fields):
        time_ns = fields.pop("t", None) or now()
        self.checker.note({"t": time_ns, "k": kind, **fields})
        self.journal.write_at(time_ns, kind, **fields)

    # ---- the clients ----

    def add_worker(self):
        number = self.n_workers = self.n_workers + 1
        log = self.directory / f"worker{number}"
        log.touch()
        seed = self.random.random()
        pid = os.fork()
        if pid == 0:
            try:
                Worker(number, self.victim.socket, log, seed).run()
            except BaseException as error:  # nothing of the parent's is to be cleaned up here
                print(f"worker {number}: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        self.pids[number] = pid
        self.readers[number] = Reader(log)

    def kill_worker(self):
        number = self.random.choice(list(self.pids))
        self.note("killing", w=number)
        os.kill(self.pids[number], signal.SIGKILL)
        os.waitpid(self.pids.pop(number), 0)
        self.note("killed", w=number)
        self.kills["client"] += 1
        self.add_worker()

    def settle_workers(self):
        """Each releases all it holds, and ends."""
        for pid in self.pids.values():
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        while self.pids:
            self.reap_settled()
            if time.monotonic() > end or not self.victim.is_serving():
                raise AssertionError(f"workers {list(self.pids)} cannot release what they hold")
            time.sleep(0.05)

    def reap_settled(self):
        for number, pid in list(self.pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.pids[number]
            if status:
                raise AssertionError(f"worker {number} ended with {status}")

    def check_workers(self):
        for number, pid in self.pids.items():
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise AssertionError(f"worker {number} ended")

    # ---- the broker ----

    def begin_life(self, failpoints=""):
        """False if a failpoint ended it before it served."""
        self.note("spawn")
        if failpoints:
            self.note("kill", how=failpoints)
        self.victim.spawn(failpoints)
        if not self.victim.wait_ready():
            self.note_dead(failpoints.partition("=")[0])
            return False
        self.note("ready")
        return True

    def note_dead(self, how):
        self.victim.wait_dead(0)
        self.note("dead")
        self.kills[how] += 1

    def end_life(self):
        if self.random.random() < 0.4:
            self.kill_at_random()
        else:
            self.kill_at(self.random.choice(SERVING))
        if self.random.random() < 0.15:
            self.kill_worker()  # while nobody can see it

    def kill_at_random(self):
        time.sleep(self.random.random() * ROUND_S)
        self.note("kill", how="random")
        self.victim.kill_now()
        self.note_dead("random")

    def kill_at(self, failpoint):
        time.sleep(self.random.random() * ROUND_S / 2)
        self.note("kill", how=failpoint)
        times = round(math.exp(self.random.uniform(0, math.log(REACHED_MAX))))
        self.victim.arm(f"{failpoint}={self.random.choice(DEATHS)}@{times}")
        if not self.victim.wait_dead(ROUND_S * 2):
            failpoint = f"random ({failpoint} was not reached)"
            self.victim.kill_now()
        self.note_dead(failpoint)

    def recover(self):
        """Begin the next life; at times it dies before it serves, once or twice."""
        for _ in range(self.random.choice((0, 0, 1, 2))):
            if self.random.random() < 0.3:
                self.kill_while_it_starts()
            else:
                self.kill_in_recovery(self.random.choice(RECOVERING))
        if not self.begin_life():
            raise AssertionError("the broker ended by itself: " + self.victim.tail())

    def kill_while_it_starts(self):
        self.note("spawn")
        self.note("kill", how="starting")
        self.victim.spawn()
        time.sleep(self.random.random() * START_S)
        self.victim.kill_now()
        self.note_dead("starting")

    def kill_in_recovery(self, failpoint):
        times = self.random.randrange(1, 20) if failpoint == "recovery.middle" else 1
        if self.begin_life(f"{failpoint}=kill@{times}"):
            self.end_unharmed()

    def end_unharmed(self):
        """It had too little to recover to come to that place."""
        self.victim.kill_now()
        self.note_dead("just begun")

    # ---- looking ----

    def look(self):
        with self.victim.client() as client:
            self.look_at("rows", lambda: [row(r, raw) for r, raw in stream(client, "List", {})
                                          if "session" in r])
            self.look_at("pools", lambda: client.call("ListPools")["pools"])
            self.look_at("metrics", lambda: client.metrics())
            self.look_at("verify", lambda: client.call("Verify"))

    def look_at(self, what, ask):
        begin = now()
        told = ask()
        self.note("look", **{"t": begin, "end": now(), what: told})

    def check(self):
        self.check_workers()
        until = now()
        for number, reader in self.readers.items():
            self.checker.feed(number, reader.read(until))
        self.checker.check()

    # ---- rounds ----

    def begin(self):
        if not self.begin_life():
            raise AssertionError("the broker ended by itself: " + self.victim.tail())
        for _ in range(WORKERS):
            self.add_worker()

    def round(self, number):
        self.look()
        self.check()
        if number % PEACE_EVERY == PEACE_EVERY - 1:
            time.sleep(PEACE_S)
            self.look()
            self.check()
        elif self.random.random() < 0.2:
            self.kill_worker()
        if self.kills_broker:
            self.end_life()
            self.recover()
        else:
            time.sleep(ROUND_S)

    def end(self, rounds):
        """All is released, what is to end by itself has, and nothing is left."""
        self.look()
        self.settle_workers()
        time.sleep(PEACE_S)
        self.look()
        self.check()
        left = self.checker.last_metrics["active_sessions"]
        if left:
            self.checker.add([("overstayed", "end", f"{left} sessions are left when all have gone")])
        if self.kills_broker and rounds >= ENOUGH:
            self.checker.add(("harness", name, f"nothing ever died at {name}")
                             for name in SERVING + RECOVERING if not self.kills[name])
        self.victim.stop()

    def clean_up(self):
        for pid in self.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        if self.victim.process:
            self.victim.kill()
        self.journal.close()


def row(reply, raw):
    return {**reply["session"], "metadata": metadata_of(raw)}


def run(oracle, rounds):
    done = 0
    try:
        oracle.begin()
        while done < rounds and not oracle.checker.violations:
            oracle.round(done)
            done += 1
        if not oracle.checker.violations:
            oracle.end(rounds)
    except (AssertionError, EOFError, OSError) as error:  # the broker ended by itself, or hung up on us
        text = f"{type(error).__name__} {error}"
        if not isinstance(error, AssertionError):
            text += "; the broker's log: " + oracle.victim.tail()
        oracle.checker.add([("broke off", "run", text)])
    finally:
        oracle.clean_up()
    return done


def report(oracle, rounds, seed):
    for kind, text in oracle.checker.violations[:20]:
        print(f"{kind}: {text}")
    kills = ", ".join(f"{n} {how}" for how, n in sorted(oracle.kills.items()))
    totals = ", ".join(f"{what} {n}" for what, n in oracle.checker.totals().items())
    print(f"seed {seed}, rounds {rounds}, creates acknowledged {len(oracle.checker.history.acks)}, "
          f"kills: {kills}; {totals}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="kill the broker, and see what is left")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=pathlib.Path, help="where the logs are kept if something is violated")
    parser.add_argument("--no-kills", action="store_true", help="kill clients only")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    print("seed", seed, flush=True)
    with tempfile.TemporaryDirectory(prefix="usher-oracle.") as directory:
        oracle = Oracle(seed, pathlib.Path(directory), not options.no_kills)
        try:
            rounds = run(oracle, options.rounds)
            report(oracle, rounds, seed)
        finally:
            if options.keep and (sys.exc_info()[0] or oracle.checker.violations):
                shutil.copytree(directory, options.keep / f"seed{seed}", dirs_exist_ok=True)
    return 1 if oracle.checker.violations else 0


if __name__ == "__main__":
    sys.exit(main())
