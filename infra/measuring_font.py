"""Make audit/render/fonts/measure.ttf, the font that charts are laid out in, from audit/render/widths.py.

    python infra/measuring_font.py

A TrueType font of one empty shape per width and a map from every character to its width, so that no other font is
asked for any. Equal widths give equal bytes.
Source: OpenType specification 1.9, chapters head, hhea, maxp, OS/2, hmtx, cmap (format 13), name, post.
"""

from __future__ import annotations

import argparse
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path

from audit.render import widths

ASCENT, DESCENT = 930, -240
EM = 1000


def font() -> bytes:
    """The bytes of the font."""
    ranges = list(_ranges())
    known = sorted({width for _, _, width in ranges} | {widths.WIDEST})
    glyph = {width: place for place, width in enumerate(known, start=1)}
    advances = [widths.WIDEST, *known]
    outlines = [_box(advance) for advance in advances]
    tables = {
        b"OS/2": _os2(),
        b"cmap": _cmap([(first, last, glyph[width]) for first, last, width in ranges]),
        b"glyf": b"".join(outlines),
        b"head": _head(),
        b"hhea": struct.pack(
            ">HHhhhHhhhhhh8xhH", 1, 0, ASCENT, DESCENT, 0, max(advances), 0, 0, 0, 1, 0, 0, 0, len(advances)
        ),
        b"hmtx": b"".join(struct.pack(">Hh", advance, 0) for advance in advances),
        b"loca": struct.pack(f">{len(outlines) + 1}I", *itertools.accumulate(map(len, outlines), initial=0)),
        b"maxp": struct.pack(">IH13H", 0x00010000, len(advances), 4, 1, 0, 0, 1, *[0] * 8),
        b"name": _name(),
        b"post": struct.pack(">IIhhIIIII", 0x00030000, 0, -100, 50, 0, 0, 0, 0, 0),
    }
    return _assembled(tables)


def _ranges() -> Iterator[tuple[int, int, int]]:
    """First and last character and width of runs of one width, in order."""
    yield 0x00, 0x1F, 0
    for code in range(0x20, 0x7F):
        yield code, code, widths.ASCII[chr(code)]
    yield 0x7F, 0x9F, 0
    yield from widths.BLOCKS


def _box(width: int) -> bytes:
    """The outline of a rectangle as wide as the glyph: fonts without ink are measured as if they were missing."""
    if not width:
        return b""
    head = struct.pack(">hhhhhHH", 1, 0, 0, width, 700, 3, 0)
    points = struct.pack(">4B4h4h", 1, 1, 1, 1, 0, width, 0, -width, 0, 0, 700, 0)
    return head + points + bytes(-len(head + points) % 4)


def _head() -> bytes:
    box = (0, DESCENT, widths.WIDEST, ASCENT)
    return struct.pack(">IIIIHHqqhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 3, EM, 0, 0, *box, 0, 8, 2, 1, 0)


def _os2() -> bytes:
    sizes = [650, 600, 0, 75, 650, 600, 0, 350, 50, 300]
    first = struct.pack(">HhHHH10hh10s4I4s", 4, 640, 400, 5, 0, *sizes, 0, bytes(10), 0, 0, 0, 0, b"ASSY")
    lines = struct.pack(">HHHhhhHH", 0x40, 0x20, 0xFFFF, ASCENT, DESCENT, 0, ASCENT, -DESCENT)
    return first + lines + struct.pack(">IIhhHHH", 0, 0, 550, 730, 0, 0x20, 0)


def _cmap(runs: list[tuple[int, int, int]]) -> bytes:
    groups = b"".join(struct.pack(">III", *run) for run in runs)
    table = struct.pack(">HHIII", 13, 0, 16 + len(groups), 0, len(runs)) + groups
    return struct.pack(">HHHHI", 0, 1, 0, 6, 12) + table


def _name() -> bytes:
    texts = {1: widths.FAMILY, 2: "Regular", 4: widths.FAMILY, 6: widths.FAMILY.replace(" ", "")}
    stored = b"".join(text.encode("utf-16-be") for text in texts.values())
    records, at = [], 0
    for number, text in texts.items():
        records.append(struct.pack(">6H", 3, 1, 0x409, number, 2 * len(text), at))
        at += 2 * len(text)
    return struct.pack(">HHH", 0, len(records), 6 + 12 * len(records)) + b"".join(records) + stored


def _assembled(tables: dict[bytes, bytes]) -> bytes:
    """Directory and tables, each at a multiple of four bytes, with their sums."""
    power = len(tables).bit_length() - 1
    head = struct.pack(">I4H", 0x10000, len(tables), 16 << power, power, 16 * (len(tables) - (1 << power)))
    at = len(head) + 16 * len(tables)
    directory, body = [], b""
    for tag, data in sorted(tables.items()):
        directory.append(struct.pack(">4sIII", tag, _sum(data), at + len(body), len(data)))
        body += data + bytes(-len(data) % 4)
    whole = head + b"".join(directory) + body
    place = whole.index(struct.pack(">I", 0x5F0F3CF5)) - 4
    return whole[:place] + struct.pack(">I", (0xB1B0AFBA - _sum(whole)) % 2**32) + whole[place + 4 :]


def _sum(data: bytes) -> int:
    padded = data + bytes(-len(data) % 4)
    return sum(struct.unpack(f">{len(padded) // 4}I", padded)) % 2**32


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=widths.FOLDER / "measure.ttf")
    parser.parse_args().out.write_bytes(font())


if __name__ == "__main__":
    main()
