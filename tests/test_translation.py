"""The Chinese pages have what the English ones have; where one has fallen behind, the summary of the run says so."""

from __future__ import annotations

import re
from collections import Counter
from itertools import zip_longest

import pytest

from tests.conftest import REPOSITORY

TRANSLATIONS = {
    "README.md": "README.zh-TW.md",
    "docs/hosts.md": "docs/hosts.zh-TW.md",
    "docs/troubleshooting.md": "docs/troubleshooting.zh-TW.md",
}


def sections(path: str) -> list[str]:
    """The page, cut at its headings."""
    return re.split(r"^(?=#+ )", (REPOSITORY / path).read_text(encoding="utf-8"), flags=re.MULTILINE)


def facts(section: str) -> Counter[str]:
    """What is the same in any language: code, links to other sites, numbers of rows."""
    code = re.findall(r"^(?:> )?```.*?^(?:> )?```|`[^`\n]+`", section, re.MULTILINE | re.DOTALL)
    sites = re.findall(r"\]\((https:[^)]+)\)", section)
    rows = re.findall(r"^\|", section, re.MULTILINE)
    return Counter([*code, *sites, *rows])


@pytest.mark.parametrize(("english", "chinese"), TRANSLATIONS.items(), ids=TRANSLATIONS)
def test_the_translation_is_up_to_date(english: str, chinese: str) -> None:
    behind = [
        f"{(theirs or ours).splitlines()[0]}: {', '.join(differing)}"
        for ours, theirs in zip_longest(sections(english), sections(chinese), fillvalue="")
        if (differing := sorted(dict((facts(ours) - facts(theirs)) + (facts(theirs) - facts(ours)))))
    ]
    if behind:
        pytest.xfail(f"{chinese} has fallen behind {english}\n" + "\n".join(behind))


@pytest.mark.parametrize(("english", "chinese"), TRANSLATIONS.items(), ids=TRANSLATIONS)
def test_each_leads_to_the_other_at_its_top(english: str, chinese: str) -> None:
    for path, other in ((english, chinese), (chinese, english)):
        assert f"]({other.rpartition('/')[2]})" in sections(path)[1]
