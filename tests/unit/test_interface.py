# SPDX-License-Identifier: MIT
"""Hold the code's tables against the interface text: test_interface.py TEXT DUMP-PROGRAM

DUMP-PROGRAM prints every table of proto/message as lines "TABLE FIELD KIND REQUIRED DETAIL", the
methods that the daemon serves and the errors that proto/status knows."""
import re
import subprocess
import sys
import unittest

TEXT, DUMP = sys.argv.pop(1), sys.argv.pop(1)


def split_fields(body):
    """The (name, type) pairs of "a: int, b: (x, y)"."""
    fields, depth, part = [], 0, ""
    for character in body + ",":
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            if part.strip():
                name, _, kind = part.partition(":")
                fields.append((name.strip(), kind.strip()))
            part = ""
        else:
            part += character
    return fields


def take_group(text):
    """The inside of the first parenthesis of text, and what follows it."""
    start = depth = text.index("(")
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return text[start + 1 : position], text[position + 1 :]
    raise ValueError("unbalanced")


class Interface:
    def __init__(self, path):
        text = re.sub(r"#[^\n]*", "", open(path, encoding="utf-8").read())
        self.types, self.tables, self.methods, self.errors = {}, {}, [], []
        for member in re.finditer(r"^(type|method|error) (\w+)", text, re.M):
            kind, name = member.groups()
            body, rest = take_group(text[member.end() :])
            if kind == "type":
                self.types[name] = body
                if ":" in body:
                    self.tables[name] = split_fields(body)
            elif kind == "error":
                self.errors.append(name)
                self.tables[name] = split_fields(body)
            else:
                self.methods.append(name)
                self.tables[name + ".in"] = split_fields(body)
                self.tables[name + ".out"] = split_fields(take_group(rest)[0])

    def expected(self, kind):
        """(kind, required, detail) as the dump says it."""
        required = not kind.startswith("?")
        kind = kind.lstrip("?")
        is_list = kind.startswith("[]")
        kind = kind[2:] if is_list else kind
        simple = {"bool": "bool", "int": "int", "float": "float", "string": "string", "object": "object"}
        if is_list:
            if kind == "int":
                return "numbers", required, "-"
            if kind == "string":
                return "strings", required, "-"
            return "structs", required, kind
        if kind in simple:
            return simple[kind], required, "-"
        names = kind[1:-1] if kind.startswith("(") else self.types[kind]
        if ":" in names:
            return "struct", required, kind
        return "enum", required, re.sub(r"\s", "", names)


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.interface = Interface(TEXT)
        cls.dumped, cls.methods, cls.errors = {}, [], []
        for line in subprocess.run([DUMP], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
            what, name, *rest = line.split()
            if what == "table":
                cls.dumped[name] = []
            elif what == "field":
                cls.dumped[name].append((rest[0], (rest[1], rest[2] == "required", rest[3])))
            elif what == "method":
                cls.methods.append(name)
            else:
                cls.errors.append(name)

    def test_every_table_is_as_the_text_says(self):
        self.assertGreater(len(self.dumped), 50)
        for name, fields in self.dumped.items():
            with self.subTest(table=name):
                wanted = [(n, self.interface.expected(k)) for n, k in self.interface.tables[name]]
                self.assertEqual(fields, wanted)

    def test_every_struct_of_the_text_has_a_table(self):
        self.assertEqual(set(self.interface.tables), set(self.dumped))

    def test_the_methods_served_are_those_of_the_text(self):
        self.assertEqual(self.methods, self.interface.methods)

    def test_the_errors_known_are_those_of_the_text(self):
        self.assertEqual(self.errors, self.interface.errors)

    def test_every_member_is_documented(self):
        lines = open(TEXT, encoding="utf-8").read().splitlines()
        for before, line in zip(lines, lines[1:]):
            if re.match(r"(type|method|error|interface) ", line):
                self.assertRegex(before, r"^#", line)
        body_of_type = False
        for before, line in zip(lines, lines[1:]):
            if re.match(r"type \w+ \($", line):
                body_of_type = True
            elif line == ")":
                body_of_type = False
            elif body_of_type and re.match(r"  \w+:", line):
                self.assertRegex(before, r"^  #", line)


unittest.main()
