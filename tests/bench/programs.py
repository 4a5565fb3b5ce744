# SPDX-License-Identifier: MIT
"""What is measured and what measures it: the programs of a build directory."""
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ("usherd", "usherctl", "usher-bench", "peer-bench", "echo-uv", "echo-epoll", "handover")


class Unusable(Exception):
    """Nothing can be measured, and why."""


def say_or_fail(*command):
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise Unusable(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Unusable(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}"[-4000:])
    return done.stdout


def build(directory):
    """Bring a build for measuring in DIRECTORY up to date, made first if there is none."""
    if not (directory / "build.ninja").exists():
        say_or_fail("meson", "setup", directory, ROOT, "-Dbuildtype=release")
    say_or_fail("meson", "compile", "-C", directory)


class Programs:
    """Paths of OURS by name, and how they were built."""

    def __init__(self, directory):
        told = json.loads(say_or_fail("meson", "introspect", "--targets", "--buildoptions",
                                      directory))
        self.paths = {target["name"]: target["filename"][0] for target in told["targets"]
                      if target["type"] == "executable" and target["name"] in OURS}
        missing = [name for name in OURS if not pathlib.Path(self.paths.get(name, "")).is_file()]
        if missing:
            raise Unusable(f"{directory} has no {', '.join(missing)}")
        self.options = {option["name"]: option["value"] for option in told["buildoptions"]
                        if option["name"] in ("buildtype", "optimization", "b_sanitize", "b_ndebug",
                                              "failpoints", "b_lto")}

    def __getitem__(self, name):
        return self.paths[name]

    def slow_because(self):
        """Why figures of this build mean little; None if it is one to be measured."""
        if self.options.get("b_sanitize", "none") not in ("none", []):
            return "built with a sanitizer"
        if self.options.get("failpoints"):
            return "built with failpoints"
        if self.options.get("optimization") not in ("2", "3"):
            return "built without optimisation"
        return None
