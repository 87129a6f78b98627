"""Files that somebody else might have made: with a right checksum, whatever else is wrong with them."""

import hashlib
import json

import numpy as np
import pytest

MARK = b'\\"sha256\\":\\"'


@pytest.fixture
def sealed():
    """A function that puts the right checksum into the bytes of a file, by the rule that is documented."""

    def seal(whole):
        at = whole.find(MARK)
        if at < 0 or at + len(MARK) + 64 > len(whole):
            return whole
        at += len(MARK)
        blank = whole[:at] + b"0" * 64 + whole[at + 64 :]
        return blank[:at] + hashlib.sha256(blank).hexdigest().encode() + blank[at + 64 :]

    return seal


@pytest.fixture
def made_up(sealed):
    """A function that makes the bytes of a file from its header's table, the text of its description, and its data."""

    def make(table, told, data, *, length=None):
        if not isinstance(told, str):
            told = json.dumps({"sha256": "0" * 64, **told}, separators=(",", ":"))
        inside = ", ".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in table)
        header = f'{{"__metadata__": {{"nanolstm": {json.dumps(told)}}}{", " * bool(inside)}{inside}}}'.encode()
        header += b" " * (-len(header) % 8)
        begin = (len(header) if length is None else length).to_bytes(8, "little")
        return sealed(begin + header + np.asarray(data).tobytes())

    return make
