"""What tests of pictures share: a site that has some, and lies about others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lookup.picture_site import picture_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lookup.picture_site import PictureSite


@pytest.fixture(scope="module")
def site() -> Iterator[PictureSite]:
    with picture_site() as site:
        yield site
