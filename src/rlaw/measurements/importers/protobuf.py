"""The wire format of protocol buffers, as far as event files need it: no schema, no dependency."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(buffer: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and raw value of every field of a message.

    Raises:
        ValueError: the message is cut short or is none.
    """
    at, end = 0, len(buffer)
    while at < end:
        key, at = _varint(buffer, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(buffer, at)
            yield key >> 3, kind, value
            continue
        if kind == BYTES:
            size, at = _varint(buffer, at)
        elif kind == FIXED64:
            size = 8
        elif kind == FIXED32:
            size = 4
        else:
            raise ValueError(f"wire type {kind} of a field is unknown")
        if at + size > end:
            raise ValueError("a field is cut short")
        yield key >> 3, kind, buffer[at : at + size]
        at += size


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(buffer):
            raise ValueError("a number is cut short")
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 70:
            raise ValueError("a number is too long")
