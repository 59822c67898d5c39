"""The sandbox's pictures: whole PNG files of different people, the same ones each time."""

from __future__ import annotations

import struct
import zlib

import pytest

from headshots_mcp.sandbox.portraits import HEIGHT, WIDTH, portrait


def test_a_dozen_names_that_count_on_show_a_dozen_people() -> None:
    assert len({portrait(f"somebody-{number}") for number in range(1, 13)}) == 12


@pytest.mark.parametrize("name", ["", "gallery-1", "7", "9" * 100, "\n", "人像", "../x"])
def test_any_name_shows_a_person_the_same_one_each_time(name: str) -> None:
    picture = portrait(name)

    assert picture == portrait(name)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND" + struct.pack(">I", zlib.crc32(b"IEND")))
    assert len(picture) < 25_000


def test_every_line_of_pixels_is_there() -> None:
    picture = portrait("gallery-1")
    (size,) = struct.unpack(">I", picture[33:37])
    kind, pixels, (checksum,) = picture[37:41], picture[41 : 41 + size], struct.unpack_from(">I", picture, 41 + size)

    assert kind == b"IDAT"
    assert checksum == zlib.crc32(kind + pixels)
    assert len(zlib.decompress(pixels)) == HEIGHT * (1 + 3 * WIDTH)
