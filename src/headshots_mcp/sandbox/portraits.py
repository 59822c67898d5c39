"""Draws the sandbox's pictures: a dozen people who smile at the camera.

Shapes are given as points: how far right of the middle, and how far down. Most are symmetrical, so only their right
half is written down.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from headshots_mcp.sandbox.drawing import Canvas, blob, colour, ellipse, mirrored, mixed, stroke

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headshots_mcp.sandbox.drawing import Colour, Point

WIDTH, HEIGHT = 360, 480
_ZOOM, _DOWN = 1.13, -34
_WHITE, _BLACK, _LIPS, _BLUSH = colour("#ffffff"), colour("#1d1a1a"), colour("#b5493f"), colour("#e0705a")


class _Person(NamedTuple):
    backdrop: str
    skin: str
    hair: str
    hairstyle: str
    outfit: str
    clothes: str
    extra: str = ""


_PEOPLE = (
    _Person("#e9e2d6", "#8d5a3b", "#241915", "afro", "sweater", "#d9764a", "earrings"),
    _Person("#d8ebe4", "#eebd97", "#211d20", "bob", "shirt", "#f1eee6", "glasses"),
    _Person("#e6dff0", "#fad7c0", "#c8703a", "bun", "turtleneck", "#37705f", "freckles"),
    _Person("#dde4ee", "#c98d61", "#2a1d18", "curly", "sweater", "#8a3f4d", "stubble"),
    _Person("#e3e8da", "#d9a27a", "#35647a", "scarf", "blazer", "#3d3a4f"),
    _Person("#efe3dc", "#f6cfb2", "#c9ccd1", "swept", "suit", "#4b4f5c", "glasses"),
    _Person("#dce9ec", "#f7d5bb", "#d8b26c", "long", "sweater", "#7b8fb5"),
    _Person("#e8e1d8", "#a9714b", "#2b211d", "bald", "turtleneck", "#3c4454", "beard"),
    _Person("#ece2ea", "#e6b793", "#b9bcc2", "bob", "blazer", "#7a4b5e", "earrings"),
    _Person("#d5e3ef", "#e8b48a", "#33241c", "parted", "suit", "#2b3446"),
    _Person("#e2e6d8", "#6f4630", "#171312", "cropped", "shirt", "#3f5f8a", "beard"),
    _Person("#dbe7f3", "#f3c9a8", "#5a3825", "long", "blazer", "#2f4a6d"),
)


def portrait(name: str) -> bytes:
    """Return a PNG, 360 x 480, always the same for a name; names with consecutive numbers show people in turn."""
    stem, number = re.fullmatch(r"(.*?)([0-9]{0,3})", name, re.DOTALL).groups()  # type: ignore[union-attr]  # fits all
    return _drawn((zlib.crc32(stem.encode()) + int(number or 0)) % len(_PEOPLE))


@lru_cache
def _drawn(number: int) -> bytes:
    """Draw one of the people, from the back to the front."""
    person = _PEOPLE[number]
    steps = (
        _HAIR_BEHIND.get(person.hairstyle),
        _body,
        _OUTFITS[person.outfit],
        _face,
        _EXTRAS.get(person.extra),
        _HAIR.get(person.hairstyle),
    )
    picture = _Picture(person)
    for paint in steps:
        if paint:
            paint(picture)
    return picture.canvas.png()


class _Picture:
    """A canvas with a backdrop, and the colours of the person to be painted on it."""

    def __init__(self, person: _Person) -> None:
        self.skin, self.hair, self.clothes = colour(person.skin), colour(person.hair), colour(person.clothes)
        self.shade = mixed(self.skin, colour("#7a2f1d"), 0.22)
        self.darker_hair = mixed(self.hair, _BLACK, 0.15)
        self.brows = colour("#3b2a22") if person.hairstyle == "scarf" else mixed(self.hair, _BLACK, 0.35)
        backdrop = colour(person.backdrop)
        self.canvas = Canvas(WIDTH, HEIGHT, mixed(backdrop, _WHITE, 0.35), mixed(backdrop, _BLACK, 0.08))

    def paint(self, points: Iterable[Point], what: Colour, opacity: float = 1.0) -> None:
        """Paint a shape."""
        self.canvas.fill([(WIDTH / 2 + _ZOOM * x, _ZOOM * y + _DOWN) for x, y in points], what, opacity)

    def paint_twice(self, points: Iterable[Point], what: Colour, opacity: float = 1.0) -> None:
        """Paint a shape and its mirror image."""
        right = list(points)
        self.paint(right, what, opacity)
        self.paint([(-x, y) for x, y in right], what, opacity)

    def lighter(self, share: float) -> Colour:
        """Return the colour of the clothes, made lighter."""
        return mixed(self.clothes, _WHITE, share)

    def darker(self, share: float) -> Colour:
        """Return the colour of the clothes, made darker."""
        return mixed(self.clothes, _BLACK, share)


def _body(picture: _Picture) -> None:
    shoulders = [(0, 334), (36, 336), (72, 356), (122, 372), (154, 402), (168, 470), (0, 520)]
    picture.paint(blob(mirrored(shoulders)), picture.clothes)
    picture.paint(blob(mirrored([(0, 260), (27, 270), (30, 318), (42, 346), (0, 372)])), picture.skin)


def _face(picture: _Picture) -> None:
    picture.paint(blob(mirrored([(0, 280), (27, 282), (28, 306), (0, 322)])), picture.shade)
    head = [(0, 112), (34, 116), (58, 142), (66, 186), (64, 228), (54, 264), (31, 293), (0, 304)]
    picture.paint_twice(ellipse(65, 214, 24, 38), picture.skin)
    picture.paint_twice(ellipse(66, 214, 12, 22), picture.shade, 0.6)
    picture.paint(blob(mirrored(head)), picture.skin)
    picture.paint_twice(ellipse(40, 246, 30, 20), _BLUSH, 0.22)
    picture.paint_twice(stroke([(14, 188), (27, 183), (42, 189)], 6), picture.brows)
    picture.paint(stroke([(-7, 236), (0, 241), (7, 236)], 4.5), picture.shade)
    _eyes(picture)
    _smile(picture)


def _eyes(picture: _Picture) -> None:
    picture.paint_twice(ellipse(27, 210, 12, 14), _BLACK)
    picture.paint(ellipse(28.5, 206.5, 4, 4), _WHITE, 0.9)
    picture.paint(ellipse(-25.5, 206.5, 4, 4), _WHITE, 0.9)


def _smile(picture: _Picture) -> None:
    picture.paint(blob([(-25, 258), (0, 263), (25, 258), (17, 275), (0, 281), (-17, 275)]), _LIPS)
    picture.paint(blob([(-21, 260), (0, 265), (21, 260), (14, 270), (0, 273), (-14, 270)]), _WHITE)


def _suit(picture: _Picture) -> None:
    picture.paint([(-38, 334), (38, 334), (0, 462)], _WHITE)
    picture.paint([(-9, 358), (9, 358), (6, 372), (14, 460), (-14, 460), (-6, 372)], colour("#9c3b3f"))
    picture.paint_twice([(24, 330), (40, 334), (42, 352), (12, 368), (0, 360)], colour("#f4f4f4"))
    picture.paint_twice([(38, 328), (68, 348), (58, 382), (68, 388), (2, 474), (2, 456)], picture.lighter(0.12))


def _blazer(picture: _Picture) -> None:
    picture.paint(blob(mirrored([(0, 356), (30, 344), (48, 352), (30, 412), (0, 480)])), colour("#fbf6ee"))
    picture.paint(blob(mirrored([(0, 312), (30, 318), (41, 348), (0, 376)])), picture.skin)
    picture.paint_twice([(42, 332), (70, 350), (60, 384), (70, 392), (4, 476), (0, 460)], picture.lighter(0.14))


def _shirt(picture: _Picture) -> None:
    picture.paint([(-1, 380), (1, 380), (1, 460), (-1, 460)], picture.darker(0.18))
    picture.paint([(-34, 336), (34, 336), (0, 386)], picture.skin)
    picture.paint_twice([(30, 324), (48, 336), (54, 368), (24, 390), (0, 382)], picture.darker(0.1))
    picture.paint_twice([(30, 324), (48, 334), (53, 364), (24, 385), (0, 380)], picture.lighter(0.25))
    for y in (404, 436):
        picture.paint(ellipse(0, y, 7, 7), picture.darker(0.3))


def _sweater(picture: _Picture) -> None:
    picture.paint(blob(mirrored([(0, 332), (46, 332), (52, 348), (0, 388)])), picture.darker(0.14))
    picture.paint(blob(mirrored([(0, 312), (36, 322), (43, 342), (0, 375)])), picture.skin)


def _turtleneck(picture: _Picture) -> None:
    picture.paint(blob(mirrored([(0, 308), (33, 308), (38, 330), (52, 352), (0, 372)])), picture.lighter(0.1))
    picture.paint(stroke([(-44, 346), (-20, 358), (0, 361), (20, 358), (44, 346)], 3), picture.darker(0.2))


def _glasses(picture: _Picture) -> None:
    frame = colour("#3a2f2c")
    picture.paint_twice(ellipse(28, 211, 42, 38), frame)
    picture.paint_twice(ellipse(28, 211, 35, 31), mixed(picture.skin, _WHITE, 0.18))
    picture.paint(stroke([(-10, 208), (0, 205), (10, 208)], 5), frame)
    picture.paint_twice([(47, 205), (67, 201), (67, 205), (48, 209)], frame)
    _eyes(picture)


def _earrings(picture: _Picture) -> None:
    picture.paint_twice(ellipse(70, 242, 10, 14), colour("#e3b23c"))


def _freckles(picture: _Picture) -> None:
    for x, y in ((32, 234), (42, 238), (51, 232), (38, 243)):
        picture.paint_twice(ellipse(x, y, 3.2, 3.2), picture.shade, 0.75)


def _beard(picture: _Picture, opacity: float = 1.0) -> None:
    outer = [(60, 206), (66, 208), (64, 232), (54, 268), (31, 298), (0, 309)]
    picture.paint(blob(mirrored([(0, 250), (22, 248), (40, 262), (54, 236), *outer])), picture.hair, opacity)
    _smile(picture)


def _stubble(picture: _Picture) -> None:
    _beard(picture, 0.25)


def _long_behind(picture: _Picture) -> None:
    half = [(0, 84), (54, 92), (88, 140), (92, 220), (98, 300), (102, 368), (74, 386), (0, 372)]
    picture.paint(blob(mirrored(half)), picture.darker_hair)


def _long(picture: _Picture) -> None:
    inner = [(10, 132), (54, 168), (66, 220), (66, 300), (74, 372)]
    outer = [(92, 360), (88, 300), (84, 200), (74, 128), (40, 92), (-8, 94)]
    picture.paint_twice(blob([*inner, *outer]), picture.hair)


def _afro_behind(picture: _Picture) -> None:
    _curls(picture, (0, 130, 190), (62, 140, 120), (84, 190, 96), (40, 96, 110))


def _afro(picture: _Picture) -> None:
    _curls(picture, (0, 122, 60), (30, 128, 52), (54, 148, 44))


def _curly(picture: _Picture) -> None:
    _curls(picture, (0, 102, 66), (34, 106, 58), (58, 128, 50), (68, 160, 38), (17, 126, 50), (44, 138, 36))


def _curls(picture: _Picture, *curls: tuple[float, float, float]) -> None:
    """Paint round curls on both sides of the head, each given as its place and its size."""
    for x, y, size in curls:
        picture.paint_twice(ellipse(x, y, size, size), picture.hair)


def _bob_behind(picture: _Picture) -> None:
    half = [(0, 90), (52, 98), (82, 140), (88, 220), (85, 284), (60, 296), (0, 296)]
    picture.paint(blob(mirrored(half)), picture.darker_hair)


def _bob(picture: _Picture) -> None:
    outer = [(0, 90), (52, 98), (82, 140), (88, 220), (84, 284)]
    inner = [(66, 286), (66, 210), (62, 176), (30, 170), (0, 172)]
    picture.paint(blob(mirrored([*outer, *inner])), picture.hair)


def _bun_behind(picture: _Picture) -> None:
    picture.paint(ellipse(0, 76, 76, 70), picture.darker_hair)
    picture.paint(blob(mirrored([(0, 92), (50, 100), (74, 150), (72, 206), (0, 230)])), picture.darker_hair)


def _bun(picture: _Picture) -> None:
    half = [(0, 94), (44, 102), (70, 144), (71, 198), (64, 190), (50, 156), (0, 132)]
    picture.paint(blob(mirrored(half)), picture.hair)


def _parted(picture: _Picture) -> None:
    outer = [(-66, 196), (-72, 150), (-52, 102), (0, 86), (52, 98), (76, 142), (70, 196)]
    inner = [(62, 176), (54, 150), (0, 146), (-30, 130), (-50, 156), (-60, 178)]
    picture.paint(blob([*outer, *inner]), picture.hair)


def _swept(picture: _Picture) -> None:
    outer = [(-68, 200), (-74, 150), (-58, 108), (-20, 88), (36, 84), (70, 112), (74, 160), (68, 200)]
    inner = [(60, 168), (44, 138), (-6, 128), (-46, 144), (-60, 172)]
    picture.paint(blob([*outer, *inner]), picture.hair)


def _cropped(picture: _Picture) -> None:
    half = [(0, 100), (40, 106), (66, 140), (70, 192), (62, 180), (52, 146), (0, 138)]
    picture.paint(blob(mirrored(half)), picture.hair)


def _scarf_behind(picture: _Picture) -> None:
    half = [(0, 88), (54, 96), (82, 140), (84, 220), (66, 300), (62, 352), (0, 380)]
    picture.paint(blob(mirrored(half)), picture.darker_hair)


def _scarf(picture: _Picture) -> None:
    inner = [(-14, 137), (14, 137), (46, 156), (61, 200), (58, 250), (36, 286), (0, 300)]
    outer = [(0, 326), (54, 312), (80, 240), (82, 150), (50, 98), (-14, 92)]
    picture.paint_twice(blob([*inner, *outer]), picture.hair)
    picture.paint(blob(mirrored([(0, 300), (36, 296), (64, 330), (50, 372), (0, 384)])), picture.hair)


_Painter = Callable[[_Picture], None]

_OUTFITS: dict[str, _Painter] = {
    "suit": _suit,
    "blazer": _blazer,
    "shirt": _shirt,
    "sweater": _sweater,
    "turtleneck": _turtleneck,
}

_EXTRAS: dict[str, _Painter] = {
    "glasses": _glasses,
    "earrings": _earrings,
    "freckles": _freckles,
    "beard": _beard,
    "stubble": _stubble,
}

_HAIR_BEHIND: dict[str, _Painter] = {
    "long": _long_behind,
    "afro": _afro_behind,
    "bob": _bob_behind,
    "bun": _bun_behind,
    "scarf": _scarf_behind,
}

_HAIR: dict[str, _Painter] = {
    "long": _long,
    "afro": _afro,
    "bob": _bob,
    "bun": _bun,
    "scarf": _scarf,
    "parted": _parted,
    "swept": _swept,
    "cropped": _cropped,
    "curly": _curly,
}
