# SPDX-License-Identifier: MIT
"""What is packaged beside the programs agrees with them: test_packaging.py SOURCE-ROOT VERSION, with
the programs in USHERD, USHERCTL and USHER_BENCH."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, VERSION = pathlib.Path(sys.argv.pop(1)), sys.argv.pop(1)
USHERD, USHERCTL, USHER_BENCH = (os.environ[name] for name in ("USHERD", "USHERCTL", "USHER_BENCH"))
PACKAGING = ROOT / "packaging"


def run(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True).stdout


def read(name):
    return (PACKAGING / name).read_text(encoding="utf-8")


def settings_of(configuration):
    """What --check-config prints for a text, without what depends on the user."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(configuration)
        file.flush()
        printed = run(USHERD, "--check-config", "--config", file.name)
    return re.sub(r"^(# )?socket(_mode)? = .*\n", "", printed, flags=re.M)


def long_options(text):
    return set(re.findall(r"^ {2}(?:-\w, | {4})(--[\w-]+)", text, re.M))


class Sample(unittest.TestCase):
    """packaging/usherd.conf."""

    def test_it_changes_nothing(self):
        self.assertEqual(settings_of(read("usherd.conf")), settings_of(""))

    def test_what_it_shows_as_defaults_are_the_defaults(self):
        uncommented = re.sub(r"^#(\w+ = .+)", r"\1", read("usherd.conf"), flags=re.M)
        self.assertNotEqual(uncommented, read("usherd.conf"))
        self.assertEqual(settings_of(uncommented), settings_of(""))

    def test_it_has_every_key_once_in_its_section(self):
        shown = re.findall(r"^(?:#(\w+) =|(\[.+\]))", read("usherd.conf"), re.M)
        printed = re.findall(r"^(?:(?:# )?(\w+) =|(\[.+\]))",
                             run(USHERD, "--check-config", "--config", "/dev/null"), re.M)
        self.assertEqual(shown, printed)


class Completions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = run(USHERCTL, "--help")
        table = text.partition("\nCommands:\n")[2].partition("\nOptions:\n")[0]
        cls.common = long_options(text)
        cls.commands = {name: long_options(run(USHERCTL, name, "--help"))
                        for name in re.findall(r"^  ([a-z-]+) ", table, re.M)}

    def bash(self, *words, function="_usherctl"):
        """What bash offers after WORDS, the last of which is being typed."""
        script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); ' \
                 f'{function} "${{COMP_WORDS[0]}}" "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        return set(run("bash", "-c", script, "bash", PACKAGING / "completions/usher.bash", *words).split())

    def test_bash_offers_the_commands(self):
        self.assertEqual(self.bash("usherctl", ""), set(self.commands))

    def test_bash_offers_the_options_of_each_command(self):
        self.assertEqual({o for o in self.bash("usherctl", "-") if o.startswith("--")}, self.common)
        for name, options in self.commands.items():
            with self.subTest(command=name):
                offered = self.bash("usherctl", name, "--")
                self.assertEqual({o for o in offered if o.startswith("--")}, options)

    def test_bash_offers_the_values_of_an_option(self):
        self.assertEqual(self.bash("usherctl", "release", "--outcome", "c"), {"completed", "cancelled"})
        self.assertEqual(self.bash("usherctl", "release", "--outcome", "=", "e"), {"error"})
        self.assertEqual(self.bash("usherctl", "--call-timeout", "1s", "pau"), {"pause"})

    def test_fish_has_the_commands_and_their_options(self):
        lines = re.findall("^complete .*", read("completions/usherctl.fish"), re.M)
        commands = {m.group(1) for line in lines
                    if (m := re.search(r"-n __usherctl_needs_command -a ([a-z-]+) ", line))}
        self.assertEqual(commands, set(self.commands))
        common, own = set(), {name: set() for name in self.commands}
        for line in lines:
            option = re.search(r" -l ([\w-]+)", line)
            command = re.search(r"__fish_seen_subcommand_from ([a-z-]+)'", line)
            if option:
                (own[command.group(1)] if command else common).add("--" + option.group(1))
        self.assertEqual(common, self.common)
        for name, options in self.commands.items():
            with self.subTest(command=name):
                self.assertEqual(own[name], options - self.common)

    def test_zsh_has_the_commands_and_options(self):
        text = read("completions/_usher")
        everything = self.common.union(self.options_of(USHERD), self.options_of(USHER_BENCH),
                                       *self.commands.values())
        self.assertEqual(set(re.findall(r"^    '([a-z-]+):", text, re.M)), set(self.commands))
        self.assertEqual(set(re.findall(r"--[a-z][\w-]+", text)), everything)

    def test_usherds_options_are_in_all(self):
        for name in ("usher.bash", "usherd.fish", "_usher"):
            for option in self.options_of(USHERD):
                word = f" -l {option[2:]} " if name.endswith("fish") else option
                self.assertIn(word, read("completions/" + name), name)

    def test_bash_and_fish_have_the_options_of_usher_bench(self):
        options = self.options_of(USHER_BENCH)
        self.assertIn("--waiters-pool", options)
        self.assertEqual(self.bash("usher-bench", "--", function="_usher_bench"), options)
        fish = re.findall(r" -l ([\w-]+)", read("completions/usher-bench.fish"))
        self.assertEqual({"--" + name for name in fish}, options)

    def test_they_offer_the_operations_of_usher_bench(self):
        refused = subprocess.run([USHER_BENCH, "--operation", "?"], text=True,
                                 stderr=subprocess.PIPE)
        names = re.search(r"expected (.*), not", refused.stderr).group(1).split(", ")
        offered = self.bash("usher-bench", "--operation", "", function="_usher_bench")
        self.assertIn("renew", names)
        self.assertEqual(offered, set(names))
        for file in ("usher-bench.fish", "_usher"):
            self.assertIn(" ".join(names), read("completions/" + file))

    @staticmethod
    def options_of(program):
        return set(re.findall(r"^ {2}(--[\w-]+)", run(program, "--help"), re.M))

    def test_shells_can_read_them(self):
        for shell, name in (("bash", "usher.bash"), ("zsh", "_usher"), ("fish", "usherctl.fish"),
                            ("fish", "usherd.fish"), ("fish", "usher-bench.fish")):
            if shutil.which(shell):
                run(shell, "-n", PACKAGING / "completions" / name)


def unit(name):
    """The settings of a unit or drop-in: a list for each key."""
    settings = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", read("systemd/" + name), re.M):
        settings.setdefault(key, []).append(value)
    return settings


class Units(unittest.TestCase):
    def test_state_is_the_brokers_alone_and_outlives_it(self):
        service = unit("usherd.service.in")
        for key, value in {"RuntimeDirectory": "usher/state", "RuntimeDirectoryMode": "0700",
                           "RuntimeDirectoryPreserve": "yes", "StateDirectory": "usher",
                           "StateDirectoryMode": "0700"}.items():
            self.assertEqual(service.get(key), [value], key)

    def test_a_users_broker_finds_its_directories_by_itself(self):
        self.assertFalse(unit("usherd.user.service.in").keys() & {"RuntimeDirectory", "StateDirectory"})

    def test_the_boot_is_told_where_it_is_hidden(self):
        service = unit("usherd.service.in")
        self.assertEqual("pid" in service.get("ProcSubset", []),
                         "USHER_BOOT_ID=%b" in service["Environment"])

    def test_files_suffice_to_hand_over_all_connections(self):
        wanted = {key: int(re.search(rf"^{key} = (\d+)$", settings_of(""), re.M).group(1))
                  for key in ("max_connections", "reserved_connections")}
        files = int(unit("usherd.service.in")["LimitNOFILE"][0])
        self.assertGreaterEqual(files, 2 * wanted["max_connections"] + wanted["reserved_connections"] + 256)

    def test_the_managers_store_has_room_for_what_is_handed_over(self):
        for name in ("usherd.service.in", "usherd.user.service.in"):
            room = unit(name)["FileDescriptorStoreMax"][0]
            self.assertGreaterEqual(int(room), 3, name)
            self.assertIn("FDSTORE=" + room, unit(name)["Environment"], name)

    def test_what_debian_12_does_not_know_is_in_drop_ins(self):
        newer = {"notify-reload.conf": ({"Type": ["notify-reload"]}, "253"),
                 "keep-connections.conf": ({"FileDescriptorStorePreserve": ["yes"]}, "254")}
        build = read("meson.build")
        for name, (settings, since) in newer.items():
            self.assertEqual(unit(name), settings)
            self.assertIn(f"'{name}': '{since}'", build)
        for name in ("usherd.service.in", "usherd.user.service.in"):
            self.assertEqual(unit(name)["Type"], ["notify"])
            self.assertNotIn("FileDescriptorStorePreserve", unit(name))


class Debian(unittest.TestCase):
    def test_purging_takes_the_state_away(self):
        purge = read("debian/usher.postrm").partition('"$1" = purge')[2].partition("\nfi\n")[0]
        self.assertIn("rm -rf /var/lib/" + unit("usherd.service.in")["StateDirectory"][0], purge)

    def test_what_it_is_built_with_is_installed_to_build_it(self):
        depends = re.search(r"^Build-Depends:\n((?: .*\n)+)", read("debian/control"), re.M).group(1)
        wanted = set(re.findall(r"^ (lib\S+-dev)\b", depends, re.M))
        listed = re.search(r"^build_packages=\((.*?)\)", read("lib.sh"), re.M | re.S).group(1).split()
        self.assertEqual(wanted, {name for name in listed if re.match(r"lib(?!c6).*-dev$", name)})

    def test_the_version_is_the_projects(self):
        self.assertEqual(re.match(r"usher \(([^)]*)\)", read("debian/changelog")).group(1), VERSION)

    def test_the_symbols_are_the_librarys(self):
        listed = re.findall(r"\b(usher_\w+);", (ROOT / "client/libusher.map").read_text())
        self.assertEqual(re.findall(r"^ (usher_\w+)@USHER_0 ", read("debian/libusher0.symbols"), re.M),
                         sorted(listed))


unittest.main()
