"""Makes text safe and easy to read: foreign words in quotes they cannot break out of, durations in words."""

from __future__ import annotations

import re
from math import ceil

_IDENTIFIER = re.compile(r"[\w.:-]{1,64}", re.ASCII)
# Whatever a reader could take for the end of a quotation, such as quotation marks of any language, or two apostrophes.
_QUOTES = re.compile(
    r"[\"'\u00ab\u00b4\u00bb\u02b9-\u02bd\u02dd\u02ee\u02f5\u02f6\u05f3\u05f4\u2018-\u201f\u2032-\u2037\u2039\u203a"
    r"\u2057\u275b-\u2760\u276e\u276f\u2e42\u3003\u301d-\u301f\uff02\uff07\U0001f676-\U0001f678]+"
)
_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
MAX_SECONDS = 30 * 86_400


def clean(text: str | None, limit: int) -> str | None:
    """Make foreign text one printable line of at most `limit` characters, or None if nothing is left."""
    if not text:
        return None
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    line = " ".join(printable.split())
    return (line if len(line) <= limit else line[: limit - 1] + "…") or None


def quoted(text: str) -> str:
    """Quote foreign words so that nothing in them can end the quotation; our own words are never quoted like this."""
    return "“" + _QUOTES.sub("'", text) + "”"


def named(text: str) -> str:
    """Return a foreign code, name or trace id unchanged, but quoted if it could be a sentence."""
    return text if _IDENTIFIER.fullmatch(text) else quoted(text)


def identifier(text: str | None) -> str | None:
    """Return foreign text if it looks like a code or a trace id, else None."""
    return text if text and _IDENTIFIER.fullmatch(text) else None


def duration(seconds: float) -> str:
    """Put a duration in words, in the largest unit that rounds it up by at most a fifth: "45 seconds", "61 minutes"."""
    seconds = max(1, seconds)
    size, unit = next((row for row in _UNITS if ceil(seconds / row[0]) * row[0] <= 1.2 * seconds), (1, "second"))
    count = ceil(seconds / size)
    return f"1 {unit}" if count == 1 else f"{count} {unit}s"


def try_again(seconds: float) -> str:
    """Say when to try again, or "later" if that is more than a month away."""
    return f"Try again in {duration(seconds)}." if seconds <= MAX_SECONDS else "Try again later."
