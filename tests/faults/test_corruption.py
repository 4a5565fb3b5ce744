# SPDX-License-Identifier: MIT
"""A store that cannot be used as it is: damaged, cut off, of another boot, of a newer version, or no
store at all. usherd starts all the same, says on stderr what it set aside, and has either exactly
the sessions that were acknowledged or none; fences go on rising. test_corruption.py [--all] flips
every bit of what the chunks' heads say, not only some."""
import os
import random
import shutil
import sys
import unittest

from stateful import Refused, StateTest, wait_for

ALL = "--all" in sys.argv and (sys.argv.remove("--all") or True)
SESSIONS = 120
PAGE = os.sysconf("SC_PAGESIZE")
CHUNK = 128 << 10
HEAD_BYTES = 152  # of a chunk: its own head, and the first fragment's
LAPS = 5  # what is written before, and not needed any more
RANDOM_FLIPS = 1000 if ALL else 100


class Corruption(StateTest):
    def setUp(self):
        super().setUp()
        seed = random.randrange(10**9)
        print("seed", seed, file=sys.stderr)
        self.random = random.Random(seed)
        self.store = self.victim.state / "state.journal"
        self.begin()
        for _ in range(LAPS):
            for session in [self.create('{"pad":"%s"}' % ("x" * 3000)) for _ in range(30)]:
                self.release(session)
        for n in range(SESSIONS):
            self.create('{"n":%d,"pad":"%s"}' % (n, "x" * self.random.randrange(400)))
        for session in self.random.sample(list(self.expected), 20):
            self.update(session, '{"updated":1}')
        for session in self.random.sample(list(self.expected), 20):
            self.release(session)  # the last thing that happens: what forgets it has more
        self.highest = max(fence for _, _, fence in self.expected.values())
        self.victim.kill_now()
        self.client.close()
        self.beside = {path: path.read_bytes() for path in self.victim.state.iterdir()
                       if path.name not in ("lock", self.store.name)}
        self.sound = self.store.read_bytes()
        self.used = len(self.sound.rstrip(b"\0"))
        self.outcomes = {"kept": 0, "none": 0}

    def put(self, data):
        """All as it was found, but for DATA in the place of the store."""
        self.clear()
        self.store.write_bytes(data)

    def clear(self):
        for path in self.victim.state.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        for path, data in self.beside.items():
            path.write_bytes(data)
        self.victim.log.write_bytes(b"")

    def set_aside(self):
        return [p for p in self.victim.state.iterdir() if p.name.startswith("state.journal.")]

    def look(self, what, **environment):
        """Begin a life with the store as it is now; what it makes of it."""
        self.begin(**environment)
        listed = self.listed()
        if listed:
            self.assertEqual(listed, self.expected, what)
            outcome = "kept"
        else:
            self.assertSaysSo(what)
            outcome = "none"
        wait_for(lambda: self.client.metrics()["store"] == "ok", f"the store, {what}")
        self.assertSound()
        self.check_fence(what)
        if "damaged" in self.victim.tail():
            self.check_durability(what)
        self.end_life(what)
        self.outcomes[outcome] += 1
        return outcome

    def assertSaysSo(self, what):
        aside = self.set_aside()
        self.assertEqual(len(aside), 1, what)
        self.assertIn(str(aside[0].name), self.victim.tail(), what)

    def check_fence(self, what):
        session = self.create_at_last(what)
        fence = self.expected[session][2]
        self.assertGreater(fence, self.highest, what)
        del self.expected[session]

    def create_at_last(self, what):
        """Damage that nobody reads may be found when the store is written to for the first time; it
        is then made anew, with all that is known."""
        try:
            return self.create()
        except Refused as refusal:
            self.assertEqual(refusal.name, "StoreUnavailable", what)
        session = self.wait_until_creating()
        return session

    def check_durability(self, what):
        """What was made anew is a store."""
        listed = self.listed()
        self.crash()
        self.assertEqual(self.listed(), listed, what)

    def end_life(self, what):
        """By SIGTERM: it is to be in good health."""
        self.client.close()
        self.victim.process.terminate()
        self.assertEqual(self.victim.process.wait(60), 0, f"{what}: {self.victim.tail()}")
        for word in ("Sanitizer", "runtime error"):
            self.assertNotIn(word, self.victim.tail(), what)

    def flip(self, bit):
        data = bytearray(self.sound)
        data[bit // 8] ^= 1 << bit % 8
        self.put(data)
        return self.look(f"bit {bit % 8} of byte {bit // 8} flipped")

    # ---- damage ----

    def test_a_sound_one_is_kept(self):
        self.put(self.sound)
        self.assertEqual(self.look("nothing"), "kept")

    def heads(self):
        return range(0, self.used, CHUNK)

    def test_flipped_bits_of_the_heads(self):
        bits = [8 * (at + byte) + bit for at in self.heads() for byte in range(HEAD_BYTES) for bit in range(8)]
        for bit in bits if ALL else self.random.sample(bits, 200):
            self.flip(bit)
        self.assertGreater(self.outcomes["none"], 0)

    def test_the_last_transaction(self):
        """Where it is damaged, what was before is sound in itself, and yet not what was told."""
        end = self.last_byte()
        for bit in range(8 * (end - 64), 8 * end, 3):
            self.flip(bit)
        self.assertEqual(self.outcomes["kept"], 0)

    def last_byte(self):
        """Of the newest chunk."""
        newest = max(self.heads(), key=lambda at: int.from_bytes(self.sound[at + 80:at + 88], "little"))
        return newest + len(self.sound[newest:newest + CHUNK].rstrip(b"\0"))

    def test_flipped_bits_anywhere(self):
        for _ in range(RANDOM_FLIPS):
            self.flip(self.random.randrange(8 * self.used))
        self.assertGreater(self.outcomes["none"], 0)

    def test_a_damaged_record(self):
        """Its text is found by the sum over it."""
        self.put(self.sound.replace(b'{"updated":1}', b'{"updated":2}'))
        self.assertEqual(self.look("metadata altered"), "none")

    def test_cut_off(self):
        lengths = [0, 1, 100, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE, self.used - 1, self.used - PAGE]
        lengths += [self.random.randrange(self.used) for _ in range(30)]
        for length in lengths:
            self.put(self.sound[:length])
            self.look(f"cut off at {length}")
        self.assertGreater(self.outcomes["none"], 10)

    def test_cut_off_where_nothing_is_used(self):
        length = (self.used + CHUNK - 1) // CHUNK * CHUNK
        self.put(self.sound[:length])
        self.assertEqual(self.look("cut off behind the last chunk"), "kept")

    def test_pages_of_zeros_and_pages_that_changed_places(self):
        pages = range((self.used + PAGE - 1) // PAGE)
        for page in self.random.sample(pages, min(20, len(pages))):
            other = self.random.choice(pages) * PAGE
            for content in (bytes(PAGE), self.sound[other:other + PAGE]):
                self.put(self.sound[:page * PAGE] + content + self.sound[(page + 1) * PAGE:])
                self.look(f"page {page} is now {'zero' if content == bytes(PAGE) else other // PAGE}")

    # ---- no store at all ----

    def test_garbage(self):
        for size in (10, PAGE, 3 * PAGE, len(self.sound)):
            self.put(self.random.randbytes(size))
            self.assertEqual(self.look(f"{size} bytes of garbage"), "none")

    def test_an_empty_file(self):
        self.put(b"")
        self.assertEqual(self.look("empty"), "none")

    def test_a_directory_in_its_place(self):
        self.clear()
        self.store.mkdir()
        (self.store / "file").write_text("x")
        self.assertEqual(self.look("a directory"), "none")

    def test_a_link_to_nowhere_and_a_pipe(self):
        for make in (lambda: self.store.symlink_to("/nonexistent/file"), lambda: os.mkfifo(self.store)):
            self.clear()
            make()
            self.assertEqual(self.look("a link or a pipe"), "none")

    def test_none_at_all(self):
        self.clear()
        self.begin()
        self.assertEqual(self.listed(), {})
        self.assertEqual(self.set_aside(), [])
        self.check_fence("no store")

    # ---- another's ----

    def test_another_boot(self):
        self.put(self.sound)
        self.assertEqual(self.look("another boot", USHER_BOOT_ID="11111111-2222-3333-4444-555555555555"), "none")
        self.assertEqual(self.set_aside()[0].read_bytes()[:PAGE], self.sound[:PAGE])

    def test_a_newer_version(self):
        data = bytearray(self.sound)
        for at in self.heads():
            data[at + 16] = 9
        self.put(bytes(data))
        self.assertEqual(self.look("a newer version"), "none")
        self.assertIn("newer", self.victim.tail())

    def test_without_a_permission(self):
        """As another user, to whom the file does not belong: it is set aside, for the directory does;
        if that does not either, the broker says so and ends."""
        if os.geteuid() != 0:
            self.skipTest("root may read everything, others may not change owners")
        self.put(self.sound)
        self.store.chmod(0o600)
        for path in (self.victim.directory, *self.victim.directory.rglob("*")):
            if path != self.store:
                os.chown(path, 65533, 65533)
        self.victim.spawn(user=65533)
        if self.victim.wait_ready():
            self.client = self.victim.client()
            self.assertEqual(self.listed(), {})
            self.expected = {}
            self.wait_until_creating()
            self.assertSaysSo("no permission")
            self.assertIn("ermission", self.victim.tail())
        else:
            self.assertIn("state.journal", self.victim.tail())
            self.assertEqual(self.victim.process.returncode, 1)
        self.assertNotIn("Sanitizer", self.victim.tail())


unittest.main()
