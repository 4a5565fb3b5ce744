# SPDX-License-Identifier: MIT
"""Hold the manual pages against the code, in both directions: test_manual.py SOURCE-ROOT, with the
programs in USHERD, USHERCTL and USHER_BENCH.

What the pages name in bold at the start of a paragraph (a command, an option, a key, a function, a
method) is what they describe; what there is, the programs, the header and the interface say."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))
USHERD, USHERCTL, USHER_BENCH = (os.environ[name] for name in ("USHERD", "USHERCTL", "USHER_BENCH"))


def run(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True).stdout


def page(name):
    return (ROOT / "packaging/man" / (name + ".scd")).read_text(encoding="utf-8")


def sections(text):
    """{title: body} of a page."""
    parts = re.split(r"^# (.+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def options_of_help(text):
    """What stands in the table of options: {"-p, --pool"}, without what they take."""
    table = text.partition("\nOptions:\n")[2]
    found = re.findall(r"^ {2}(?:(-\w), | {4})(--[\w-]+)", table, re.M)
    return {(short + ", " if short else "") + name for short, name in found}


def options_of_page(text, depth):
    """The same, of the paragraphs of the page that begin with options, indented by DEPTH tabs."""
    lines = re.findall(r"^\t{%d}((?:\*-\w\*, )?\*--[\w-]+\*).*\n\t{%d}" % (depth, depth + 1), text, re.M)
    return {line.replace("*", "") for line in lines}


def commands_of_help():
    table = run(USHERCTL, "--help").partition("\nCommands:\n")[2].partition("\nOptions:\n")[0]
    return re.findall(r"^  ([a-z-]+) ", table, re.M)


def commands_of_page():
    """[(command, its text)], in the order of the page."""
    parts = re.split(r"^\*([a-z][a-z-]*)\*", sections(page("usherctl.1"))["COMMANDS"], flags=re.M)
    return list(zip(parts[1::2], parts[2::2]))


def keys_of_page(section):
    return re.findall(r"^\*(\w+)\* =", sections(page("usherd.conf.5"))[section], re.M)


def keys_of_daemon(section):
    printed = run(USHERD, "--config", "/dev/null", "--check-config")
    body = printed.partition(f"[{section}]\n")[2].partition("\n[")[0]
    return re.findall(r"^(?:# )?(\w+) =", body, re.M)


class Usherctl(unittest.TestCase):
    def test_commands(self):
        self.assertGreater(len(commands_of_help()), 20)
        self.assertEqual([name for name, _ in commands_of_page()], commands_of_help())

    def test_options_of_each_command(self):
        common = options_of_help(run(USHERCTL, "--help"))
        for name, text in commands_of_page():
            with self.subTest(command=name):
                own = options_of_help(run(USHERCTL, name, "--help")) - common
                self.assertEqual(options_of_page(text, 1), own)

    def test_common_options(self):
        text = sections(page("usherctl.1"))["OPTIONS"]
        self.assertEqual(options_of_page(text, 0), options_of_help(run(USHERCTL, "--help")))

    def test_exit_status(self):
        table = sections(page("usherctl.1"))["EXIT STATUS"]
        told = {name: int(code) for code, name in re.findall(r"^\*(\d+)\*\n\t([A-Z]\w+)", table, re.M)}
        status = (ROOT / "proto/status.h").read_text(encoding="utf-8")
        codes = {name: int(code) for name, code in re.findall(r'"(\w+)",\s*(\d+),', status)}
        self.assertGreater(len(codes), 20)
        self.assertEqual(told, codes)


class Usherd(unittest.TestCase):
    def test_options(self):
        text = run(USHERD, "--help")
        options = set(re.findall(r"^ {2}(--[\w-]+)", text, re.M))
        self.assertIn("--config", options)
        self.assertEqual(options_of_page(sections(page("usherd.8"))["OPTIONS"], 0), options)


class UsherBench(unittest.TestCase):
    def test_options(self):
        options = set(re.findall(r"^ {2}(--[\w-]+)", run(USHER_BENCH, "--help"), re.M))
        self.assertIn("--rate", options)
        self.assertEqual(options_of_page(sections(page("usher-bench.1"))["OPTIONS"], 0), options)

    def test_operations(self):
        refused = subprocess.run([USHER_BENCH, "--operation", "?"], text=True,
                                 stderr=subprocess.PIPE)
        names = re.search(r"expected (.*), not", refused.stderr).group(1).split(", ")
        self.assertIn("renew", names)
        text = sections(page("usher-bench.1"))["OPERATIONS"]
        self.assertEqual(re.findall(r"^\*([a-z+]+)\*$", text, re.M), names)


class Configuration(unittest.TestCase):
    def test_keys_of_the_broker(self):
        self.assertEqual(keys_of_page("BROKER"), keys_of_daemon("broker"))

    def test_keys_of_pools(self):
        self.assertEqual(keys_of_page("POOLS"), keys_of_daemon("pool default"))

    def test_keys_are_those_of_the_table(self):
        """--check-config is believed above: it prints all there are."""
        table = (ROOT / "daemon/config_keys.c").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r'^\t(?:BROKER|POOL)\("(\w+)"', table, re.M),
                         keys_of_daemon("broker") + keys_of_daemon("pool default"))


class Library(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        header = (ROOT / "client/usher.h").read_text(encoding="utf-8")
        cls.header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)

    def test_functions(self):
        types = set(re.findall(r"typedef \w+ (usher_\w+)\(", self.header))
        declared = set(re.findall(r"\b(usher_\w+)\(", self.header)) - types
        told = re.findall(r"^\*(usher_\w+)\*\(\)", sections(page("libusher.3"))["FUNCTIONS"], re.M)
        self.assertGreater(len(declared), 20)
        self.assertEqual(sorted(told), sorted(declared))

    def test_errors(self):
        told = re.findall(r"\*(USHER_E_\w+)\*", page("libusher.3"))
        self.assertEqual(sorted(told), sorted(re.findall(r"^\t(USHER_E_\w+) =", self.header, re.M)))


class Interface(unittest.TestCase):
    def test_members(self):
        text = re.sub(r"#[^\n]*", "", (ROOT / "proto/io.usher.Broker.varlink").read_text(encoding="utf-8"))
        body = sections(page("io.usher.Broker.7"))
        for kind, title in (("method", "METHODS"), ("type", "TYPES"), ("error", "ERRORS")):
            with self.subTest(kind=kind):
                members = self.members_of_interface(text, kind)
                self.assertGreater(len(members), 10)
                self.assertEqual(self.members_of_page(body[title]), members)

    @staticmethod
    def members_of_interface(text, kind):
        """{name: its definition, without white space}."""
        found = re.findall(r"^%s (\w+)\s*(\(.*?)(?=^(?:type|method|error) |\Z)" % kind, text, re.M | re.S)
        return {name: re.sub(r"\s", "", definition) for name, definition in found}

    @staticmethod
    def members_of_page(text):
        parts = re.split(r"^\*(\w+)\*$", text, flags=re.M)
        told = {}
        for name, body in zip(parts[1::2], parts[2::2]):
            block = re.search(r"^\t```\n(.*?)^\t```", body, re.M | re.S)
            told[name] = re.sub(r"\s", "", block.group(1)) if block else "()"
            if not told[name].startswith("("):
                told[name] = f"({told[name]})"
        return told


unittest.main()
