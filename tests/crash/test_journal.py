# SPDX-License-Identifier: MIT
"""What is written to journals and sent on the wire comes back as it was."""
import pathlib
import tempfile
import unittest

from journal import Journal, Reader
from wire import encode, metadata_of


class Files(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / "journal"

    def test_what_came_later_is_kept_for_later(self):
        journal, reader = Journal(self.path), Reader(self.path)
        journal.write_at(5, "x")
        journal.write_at(7, "y")
        self.assertEqual([r["k"] for r in reader.read(6)], ["x"])
        self.assertEqual([r["k"] for r in reader.read(8)], ["y"])
        self.assertEqual(reader.read(9), [])
        journal.close()

    def test_half_a_line_is_left(self):
        self.path.write_text('{"t": 1, "k": "x"}\n{"t": 2,')
        reader = Reader(self.path)
        self.assertEqual(len(reader.read(9)), 1)
        with open(self.path, "a") as file:
            file.write(' "k": "y"}\n')
        self.assertEqual([r["k"] for r in reader.read(9)], ["y"])

    def test_metadata_goes_and_comes_as_a_text(self):
        text = '{ "z":9007199254740993 , "a":"\\u00e9\u00e9"}'
        self.assertIn(text.encode(), encode("Create", {"pool": "x"}, text))
        self.assertEqual(metadata_of(b'{"parameters":{"session":{"metadata":' + text.encode() + b',"x":1}}}'), text)
        self.assertIsNone(metadata_of(b'{"parameters":{"session":{"x":1}}}'))


unittest.main()
