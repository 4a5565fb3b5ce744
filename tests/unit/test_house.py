# SPDX-License-Identifier: MIT
"""The shape of the house: test_house.py ROOT LIBCORE.a LIBUSHER.so

Dependencies point one way (proto <- client <- cli; proto, core <- broker <- the rest of the daemon),
the core links against nothing but libc's memory and string functions, the top level holds what it
should, and the library shows the symbols of its list and no others."""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT, LIBCORE, LIBUSHER = (pathlib.Path(sys.argv.pop(1)) for _ in range(3))

PURE = {"assert.h", "emmintrin.h", "endian.h", "errno.h", "float.h", "inttypes.h", "limits.h",
        "math.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
        "stdlib.h", "string.h"}
ALLOWED = {  # folder: what its files may include of the project, and which system headers
    "proto": (("proto/",), PURE),
    "daemon/core": (("daemon/core/", "proto/status.h"), PURE),
    "client": (("client/", "proto/"), None),
}
FOREIGN_TO_CLIENT = ("uv.h", "systemd/", "ini.h")
CORE_SYMBOLS = {"__assert_fail", "bcmp", "calloc", "malloc", "realloc", "free", "memcpy", "memcmp", "memset", "memmove",
                "strlen", "strcmp", "strncmp", "memchr", "_GLOBAL_OFFSET_TABLE_"}
TOP = {"client", "daemon", "packaging", "proto", "tests", "meson.build", "meson_options.txt",
       "README.md", "LICENSE"}


def includes(path):
    return re.findall(r'^#include ["<]([^">]+)[">]', path.read_text(), re.M)


class House(unittest.TestCase):
    def test_includes_point_one_way(self):
        n = 0
        for folder, (own, system) in ALLOWED.items():
            for path in (ROOT / folder).rglob("*.[ch]"):
                for name in includes(path):
                    n += 1
                    if (ROOT / name).exists():
                        self.assertTrue(name.startswith(own), f"{path}: {name}")
                    elif system is not None:
                        self.assertIn(name, system, str(path))
        self.assertGreater(n, 100)

    def test_the_client_needs_neither_libuv_nor_libsystemd(self):
        for path in (ROOT / "client").rglob("*.[ch]"):
            for name in includes(path):
                self.assertFalse(name.startswith(FOREIGN_TO_CLIENT), f"{path}: {name}")
        for path in (ROOT / "client").glob("*.[ch]"):
            for name in includes(path):
                self.assertFalse(name.startswith("cjson/"), f"{path}: {name}")

    def test_the_table_is_behind_the_broker(self):
        """Nothing of the daemon but the broker makes a table, and it knows no loop."""
        for name in includes(ROOT / "daemon/broker.c") + includes(ROOT / "daemon/broker.h"):
            self.assertNotIn(name, ("uv.h", "daemon/loop.h", "daemon/conn.h", "daemon/log.h"))
        for path in (ROOT / "daemon").glob("*.c"):
            if path.name != "broker.c":
                self.assertNotIn("table_new(", path.read_text(), str(path))

    def test_the_core_links_against_nothing(self):
        lines = subprocess.run(["nm", "-A", LIBCORE], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.splitlines()
        defined = {line.split()[-1] for line in lines if re.search(r" [TRDBdbrt] ", line)}
        wanted = {line.split()[-1] for line in lines if re.search(r" U ", line)}
        foreign = {s for s in wanted - defined - CORE_SYMBOLS
                   if not re.match(r"__(asan|ubsan|tsan|gcov|llvm|sanitizer|stack_chk|start|stop|odr)|_+tls", s)}
        self.assertEqual(foreign, set())
        self.assertGreater(len(defined), 50)

    def test_the_library_shows_its_list_and_nothing_else(self):
        shown = subprocess.run(["nm", "-D", "--defined-only", LIBUSHER], stdout=subprocess.PIPE,
                               text=True, check=True).stdout
        symbols = {line.split()[-1].partition("@")[0] for line in shown.splitlines()} - {"USHER_0"}
        listed = set(re.findall(r"\b(usher_\w+);", (ROOT / "client/libusher.map").read_text()))
        declared = set(re.findall(r"\b(usher_\w+)\(", re.sub(r"/\*.*?\*/", "", (ROOT / "client/usher.h").read_text(), flags=re.S))) - {"usher_reply_fn", "usher_create_fn", "usher_event_fn"}
        symbols = {s for s in symbols if not s.startswith("__")}
        self.assertEqual(symbols, listed)
        self.assertEqual(listed, declared)

    def test_the_top_level_holds_what_it_should(self):
        if not (ROOT / ".git").exists():
            self.skipTest("not a checkout: what lies here may be anything")
        files = subprocess.run(["git", "-C", ROOT, "ls-files"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.splitlines()
        for name in {f.partition("/")[0] for f in files}:
            if not name.startswith("."):
                self.assertIn(name, TOP)

    def test_every_source_names_its_licence(self):
        for folder in ("client", "daemon", "proto", "tests"):
            for path in (ROOT / folder).rglob("*.[ch]"):
                self.assertTrue(path.read_text().startswith("/* SPDX-License-Identifier: MIT */\n"),
                                str(path))


unittest.main()
