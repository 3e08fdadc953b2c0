"""The part of the pickle format that plain builtins need, and nothing else.

It reads what `pickle.dumps(value, protocol=4)` writes for dicts with text keys, lists, text, bytes, numbers, booleans
and None. No opcode here could name, import, build or call anything, and nothing is allocated beyond the bytes at hand.
A pickle.Unpickler whose find_class always refuses does not guarantee that: a few bytes can make it reserve gigabytes
for its memo. Not importing pickle also makes a cold start one millisecond faster.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BINFLOAT = 0x47
STOP = 0x2E
_RUN = 1000
"""The most floats that are taken at once."""


class NotPlain(ValueError):
    """Raised when the bytes are not a whole pickle of plain builtins."""


def loads(pickled: bytes) -> object:
    """The value that was pickled; any other bytes raise NotPlain and no other exception."""
    try:
        return _Reader(pickled).value()
    except (IndexError, struct.error, TypeError, UnicodeDecodeError, AttributeError):
        raise NotPlain("the pickle is damaged") from None


class _Reader:
    """The stack machine; `stacks` holds one stack for each open mark, the innermost last."""

    def __init__(self, pickled: bytes) -> None:
        self.pickled = pickled
        self.at = 0
        self.stacks: list[list[object]] = [[]]
        self.memo: list[object] = []

    def value(self) -> object:
        pickled, opcodes = self.pickled, _OPCODES
        while (code := pickled[self.at]) != STOP:
            self.at += 1
            if code not in opcodes:
                raise NotPlain(f"opcode 0x{code:02x} at byte {self.at - 1} does not belong to a plain builtin")
            opcodes[code](self)
        (stack,) = self.stacks if len(self.stacks) == 1 else ([],)
        if len(stack) != 1 or self.at + 1 != len(pickled):
            raise NotPlain("the pickle is not one whole value")
        return stack[0]

    def take(self, count: int) -> bytes:
        taken = self.pickled[self.at : self.at + count]
        if len(taken) != count:
            raise NotPlain("the pickle is cut short")
        self.at += count
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def push(self, value: object) -> None:
        self.stacks[-1].append(value)

    def protocol(self) -> None:
        if self.number(1) != 4:
            raise NotPlain("the pickle is not of protocol 4")

    def floats(self) -> None:
        """Takes a whole run of floats at once, since a model consists almost entirely of floats."""
        following = self.pickled[self.at + 8 : self.at + 9 * _RUN : 9]
        count = 1 + len(following) - len(following.lstrip(b"G"))
        self.stacks[-1].extend(struct.unpack_from(">d" + "xd" * (count - 1), self.pickled, self.at))
        self.at += 9 * count - 1

    def append(self) -> None:
        item = self.stacks[-1].pop()
        _a_list(self.stacks[-1][-1]).append(item)

    def appends(self) -> None:
        items = self.closed()
        _a_list(self.stacks[-1][-1]).extend(items)

    def set_item(self) -> None:
        item, key = self.stacks[-1].pop(), self.stacks[-1].pop()
        _a_dict(self.stacks[-1][-1])[_a_text(key)] = item

    def set_items(self) -> None:
        items = self.closed()
        if len(items) % 2:
            raise NotPlain("a key of the pickle has no value")
        _a_dict(self.stacks[-1][-1]).update(zip(map(_a_text, items[::2]), items[1::2]))

    def closed(self) -> list[object]:
        if len(self.stacks) == 1:
            raise NotPlain("the pickle closes what it never opened")
        return self.stacks.pop()


def _a_list(value: object) -> list[object]:
    if type(value) is not list:
        raise NotPlain("the pickle appends to something that is not a list")
    return value


def _a_dict(value: object) -> dict[str, object]:
    if type(value) is not dict:
        raise NotPlain("the pickle sets an item of something that is not a dict")
    return value


def _a_text(value: object) -> str:
    if type(value) is not str:
        raise NotPlain("a key of the pickle is not text")
    return value


_OPCODES: dict[int, Callable[[_Reader], object]] = {
    0x80: _Reader.protocol,
    0x95: lambda r: r.take(8),  # FRAME: a hint for buffered reading
    0x94: lambda r: r.memo.append(r.stacks[-1][-1]),  # MEMOIZE
    0x68: lambda r: r.push(r.memo[r.number(1)]),  # BINGET
    0x6A: lambda r: r.push(r.memo[r.number(4)]),  # LONG_BINGET
    0x28: lambda r: r.stacks.append([]),  # MARK
    0x7D: lambda r: r.push({}),
    0x5D: lambda r: r.push([]),
    0x61: _Reader.append,
    0x65: _Reader.appends,
    0x73: _Reader.set_item,
    0x75: _Reader.set_items,
    0x4E: lambda r: r.push(None),
    0x88: lambda r: r.push(True),
    0x89: lambda r: r.push(False),
    BINFLOAT: _Reader.floats,
    0x4B: lambda r: r.push(r.number(1)),  # BININT1
    0x4D: lambda r: r.push(r.number(2)),  # BININT2
    0x4A: lambda r: r.push(int.from_bytes(r.take(4), "little", signed=True)),  # BININT
    0x8A: lambda r: r.push(int.from_bytes(r.take(r.number(1)), "little", signed=True)),  # LONG1
    0x8C: lambda r: r.push(str(r.take(r.number(1)), "utf-8", "surrogatepass")),  # SHORT_BINUNICODE
    0x58: lambda r: r.push(str(r.take(r.number(4)), "utf-8", "surrogatepass")),  # BINUNICODE
    0x43: lambda r: r.push(r.take(r.number(1))),  # SHORT_BINBYTES
    0x42: lambda r: r.push(r.take(r.number(4))),  # BINBYTES
}
