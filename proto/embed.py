# SPDX-License-Identifier: MIT
"""Turn a text file into a C array: embed.py TEXT OUTPUT.c"""
import pathlib
import re
import sys

source, output = map(pathlib.Path, sys.argv[1:])
name = re.sub(r"\W", "_", source.name)
values = ",".join(map(str, source.read_bytes() + b"\0"))
output.write_text(f"extern const char {name}[];\nconst char {name}[] = {{{values}}};\n")
