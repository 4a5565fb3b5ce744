# SPDX-License-Identifier: MIT
"""Calls whose metadata is a text, not a value: it must come back byte for byte."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from broker import INTERFACE, Client  # noqa: E402,F401

DECODER = json.JSONDecoder()


def encode(method, parameters, metadata=None, **flags):
    text = json.dumps(parameters)
    if metadata is not None:
        text = text[:-1] + (", " if parameters else "") + '"metadata": ' + metadata + "}"
    set_flags = "".join(f', "{flag}": true' for flag, is_set in flags.items() if is_set)
    return f'{{"method": "{INTERFACE}{method}", "parameters": {text}{set_flags}}}'.encode() + b"\0"


def metadata_of(raw):
    """The text of the metadata in a reply about one session, None if it has none. Ours holds no
    member of that name itself."""
    text = raw.decode()
    key = text.find('"metadata":')
    if key < 0:
        return None
    begin = key + len('"metadata":')
    begin += len(text[begin:]) - len(text[begin:].lstrip())
    _, end = DECODER.raw_decode(text, begin)
    return text[begin:end]


def stream(client, method, parameters):
    """Call with "more": the raw replies up to the last one."""
    client.send_raw(encode(method, parameters, more=True))
    while True:
        reply = client.receive()
        if "error" in reply:
            raise AssertionError(f"{method}: {reply}")
        yield reply["parameters"], client.raw
        if not reply.get("continues"):
            return
