# SPDX-License-Identifier: MIT
"""The machine and the source that are measured, for those who read the results elsewhere."""
import os
import pathlib
import platform
import re
import subprocess


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace").strip()
    except OSError:
        return None


def first_line_of(*command):
    """What a command says first, such as its version; None if there is no such command."""
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = said.stdout.splitlines()
    return lines[0].strip() if said.returncode == 0 and lines else None


def field(text, name):
    match = re.search(rf"^{name}\s*[:=]\s*\"?(.*?)\"?$", text or "", re.M)
    return match.group(1) if match else None


def describe():
    memory = field(read("/proc/meminfo"), "MemTotal")
    return {
        "system": field(read("/etc/os-release"), "PRETTY_NAME"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": field(read("/proc/cpuinfo"), "model name") or platform.processor() or None,
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": int(memory.split()[0]) * 1024 if memory else None,
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "hypervisor": "hypervisor" in (field(read("/proc/cpuinfo"), "flags") or "").split(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
    }


def commit(root):
    """The commit that is checked out at ROOT, with "-dirty" if it is not all; None if none is."""
    return first_line_of("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12",
                         "--exclude=*")
