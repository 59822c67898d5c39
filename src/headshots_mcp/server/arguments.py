"""Arguments as hosts really send them: which are dropped silently, and how a wrong one is explained."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

# What hosts add to the arguments by themselves: n8n the first four, then Cline and Gemini CLI. No model can leave them
# out, so refusing them would refuse the host, and none of them can be mistaken for an argument of ours.
_OF_HOSTS = {"toolCallId", "sessionId", "chatInput", "tool", "task_progress", "wait_for_previous"}
_SHOWN = re.compile(r"[\w.-]{1,40}", re.ASCII)
_MAX_NAMED = 3


def without_host_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what a host added: known names, and those that begin with an underscore, such as SiYuan's `_sessionID`.

    A misspelt argument stays: dropping it would answer a different question. Together with `chatInput`, n8n sends an
    `action` of its own.
    """
    dropped = {"action", *_OF_HOSTS} if "chatInput" in arguments else _OF_HOSTS
    return {name: value for name, value in arguments.items() if not name.startswith("_") and name not in dropped}


def validation_message(error: ValidationError, names: Collection[str] = ()) -> str:
    """Say in one line which argument is wrong and what to do, without showing its value.

    Args:
        error: What is wrong with the arguments.
        names: The arguments that the tool has.
    """
    first, *others = sorted(
        error.errors(include_url=False, include_input=False), key=lambda each: each["type"] != "extra_forbidden"
    )
    if first["type"] == "extra_forbidden" or not first["loc"]:  # a name with a lone surrogate is not given
        return _unknown("".join(map(str, first["loc"])), names)
    if first["type"] == "missing":
        return f"{_place(first)}: {_MISSING.get(_place(first), 'is missing')}{_also(others)}"
    own = _REASONS.get(first["type"])
    reason = own.format(**first.get("ctx", {})) if own else first["msg"]
    return f"{_place(first)}: {reason}{_also(others)}"


_MISSING = {
    "id": "is missing; pass one task id, and ask the user for it if need be",
    "ids": "is missing; pass a list of task ids, and ask the user for them if need be",
}
_REASONS = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a number",
    "string_type": "must be a string",
    "string_unicode": "must not contain lone surrogates",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most 128 characters long",
    "list_type": "must be a list of task ids",
    "literal_error": "must be {expected}",
    "too_short": "must name at least one task id",
    "too_long": "must name at most {max_length:,} task ids; ask for the others in another call",
}


def _unknown(name: str, names: Collection[str]) -> str:
    """Name an argument that the tool does not have, and the one that may be meant."""
    shown = f"unknown argument `{name}`" if _SHOWN.fullmatch(name) else "unknown argument"
    if meant := _meant(name, names):
        return f"{shown}; did you mean {meant}?"
    return f"{shown}; this tool takes {' and '.join(names)}"


def _meant(name: str, names: Collection[str]) -> str | None:
    plain = re.sub(r"^(headshot)?(task)?", "", re.sub(r"[^a-z]", "", name.lower()[:40]))
    if plain == "ids" and "id" in names:
        return "get_headshot_tasks"
    if plain == "id" and "ids" in names:
        return "ids"
    ours = {re.sub("[^a-z]", "", each): each for each in names}
    found = get_close_matches(plain, ours, n=1, cutoff=0.5)
    return ours[found[0]] if found else None


def _place(error: ErrorDetails) -> str:
    return ".".join(map(str, error["loc"]))


def _also(others: list[ErrorDetails]) -> str:
    if not others:
        return ""
    named = ", ".join(map(_place, others[:_MAX_NAMED]))
    more = len(others) - _MAX_NAMED
    return f" (also wrong: {named}{f' and {more} more' if more > 0 else ''})"
