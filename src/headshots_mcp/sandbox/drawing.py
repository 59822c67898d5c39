"""Draws smooth, antialiased shapes in plain Python, and writes them as PNG."""

from __future__ import annotations

import math
import struct
import zlib
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Point = tuple[float, float]
    Colour = tuple[int, int, int]

# Lines sampled within each line of pixels.
_LINES = 4
_CURVE_STEPS = 8


class Canvas:
    """A picture being drawn; x grows to the right, y downwards, both in pixels.

    Args:
        width: In pixels.
        height: In pixels.
        top: The colour at the upper edge.
        bottom: The colour at the lower edge, which the upper one fades into.
    """

    def __init__(self, width: int, height: int, top: Colour, bottom: Colour) -> None:
        self._size = (width, height)
        self._rows = [bytearray(bytes(mixed(top, bottom, y / height)) * width) for y in range(height)]

    def fill(self, outline: Sequence[Point], colour: Colour, opacity: float = 1.0) -> None:
        """Paint the inside of a closed outline, by the even-odd rule."""
        for y, crossings in self._crossings(outline).items():
            self._paint(self._rows[y], crossings, colour, opacity)

    def _crossings(self, outline: Sequence[Point]) -> dict[int, list[list[float]]]:
        """Find where the outline crosses the lines sampled within each line of pixels."""
        found: dict[int, list[list[float]]] = defaultdict(lambda: [[] for _ in range(_LINES)])
        for (x0, y0), (x1, y1) in pairwise([*outline, outline[0]]):
            if y0 == y1:
                continue
            slope = (x1 - x0) / (y1 - y0)
            first, last = sorted((y0, y1))
            start, stop = (math.ceil(max(y, 0) * _LINES - 0.5) for y in (first, last))
            for line in range(start, min(stop, self._size[1] * _LINES)):
                x = x0 + ((line + 0.5) / _LINES - y0) * slope
                found[line // _LINES][line % _LINES].append(min(max(x, 0.0), self._size[0]))
        return found

    def _paint(self, row: bytearray, crossings: list[list[float]], colour: Colour, opacity: float) -> None:
        """Paint one line of pixels, each in proportion to how much of it is inside."""
        changes: dict[int, float] = defaultdict(float)  # how much more of a pixel is inside than of the one before it
        for line in crossings:
            for number, x in enumerate(sorted(line)):
                pixel, sign = int(x), 1 - number % 2 * 2
                changes[pixel] += sign * (pixel + 1 - x)
                changes[pixel + 1] += sign * (x - pixel)
        inside = 0.0
        for start, stop in pairwise(sorted(changes)):
            inside += changes[start]
            cover = min(inside / _LINES, 1.0) * opacity
            if cover > 0.99:
                row[3 * start : 3 * stop] = bytes(colour) * (stop - start)
            elif cover > 0.01:
                for at in range(3 * start, 3 * stop):
                    row[at] += round((colour[at % 3] - row[at]) * cover)

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        header = struct.pack(">IIBBBBB", *self._size, 8, 2, 0, 0, 0)
        rows = b"".join(b"\0" + row for row in self._rows)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def colour(code: str) -> Colour:
    """Read a colour such as `#f2c9a5`."""
    red, green, blue = bytes.fromhex(code.removeprefix("#"))
    return red, green, blue


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours; `share` is the proportion of the other one, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def ellipse(x: float, y: float, width: float, height: float) -> list[Point]:
    """Outline an ellipse of a width and a height around a point."""
    turns = [math.tau * step / 36 for step in range(36)]
    return [(x + width / 2 * math.cos(turn), y + height / 2 * math.sin(turn)) for turn in turns]


def blob(points: Sequence[Point]) -> list[Point]:
    """Outline a smooth shape through points (a closed Catmull-Rom curve)."""
    count = len(points)
    corners = ([points[(index + step) % count] for step in range(-1, 3)] for index in range(count))
    return [point for four in corners for point in _between(*four)]


def stroke(points: Sequence[Point], width: float) -> list[Point]:
    """Outline a smooth stroke through points, with the pointed ends of a brush stroke."""
    ends = [points[0], *points, points[-1]]
    path = [point for index in range(len(points) - 1) for point in _between(*ends[index : index + 4])]
    path.append(points[-1])
    sides: tuple[list[Point], list[Point]] = ([], [])
    for index, (x, y) in enumerate(path):
        (x0, y0), (x1, y1) = path[max(index - 1, 0)], path[min(index + 1, len(path) - 1)]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        half = width / 2 * (0.35 + 0.65 * math.sin(math.pi * index / (len(path) - 1)))
        across = ((y1 - y0) / length * half, (x1 - x0) / length * half)
        sides[0].append((x + across[0], y - across[1]))
        sides[1].append((x - across[0], y + across[1]))
    return [*sides[0], *reversed(sides[1])]


def mirrored(points: Iterable[Point]) -> list[Point]:
    """Add the left half to a right one, which is given from top to bottom, x as the distance from the middle."""
    right = list(points)
    return [*right, *((-x, y) for x, y in reversed(right) if x)]


def _between(before: Point, start: Point, end: Point, after: Point) -> list[Point]:
    """Return points on the curve from `start` to `end`, without `end` itself."""

    def at(step: float, axis: int) -> float:
        a, b, c, d = before[axis], start[axis], end[axis], after[axis]
        return b + step / 2 * (c - a + step * (2 * a - 5 * b + 4 * c - d + step * (3 * (b - c) + d - a)))

    steps = [step / _CURVE_STEPS for step in range(_CURVE_STEPS)]
    return [(at(step, 0), at(step, 1)) for step in steps]
