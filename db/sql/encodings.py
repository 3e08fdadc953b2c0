"""The encodings that a PostgreSQL database may have besides UTF8: what they can hold, and their names in Python."""

from __future__ import annotations

_CODECS = {
    **{f"LATIN{number}": f"iso8859_{part}" for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)},
    **{f"ISO_8859_{part}": f"iso8859_{part}" for part in (5, 6, 7, 8)},
    **{f"WIN{page}": f"cp{page}" for page in (866, 874, *range(1250, 1259))},
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
}
_OF_SEVERAL_BYTES = {name: name.lower() for name in ("EUC_JP", "EUC_KR", "EUC_JIS_2004")} | {"EUC_CN": "gb2312"}


def single_byte_codec(encoding: str | None) -> str | None:
    """The codec with which a database's own bytes are decoded here; None where the server should convert them.

    The bytes of an SQL_ASCII database may have any encoding; most often it is UTF-8.
    """
    return "utf-8" if encoding == "SQL_ASCII" else _CODECS.get(encoding or "")


def can_hold(encoding: str, text: str) -> bool:
    """Tells whether a database of that encoding can hold the text.

    The server refuses queries with a text that it cannot.
    """
    codec = _CODECS.get(encoding) or _OF_SEVERAL_BYTES.get(encoding)
    if codec is None or text.isascii():
        return True
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
