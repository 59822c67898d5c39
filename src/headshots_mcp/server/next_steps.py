"""Says in one line how a lookup went, and what a model should do next, from the outcome for each id."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.api.wording import duration
from headshots_mcp.lookup.links import MAX_LINKS
from headshots_mcp.lookup.tasks import STUCK_SECONDS, HeadshotTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.lookup.tasks import Outcome

FEW = 50
_WORDS = {
    "succeeded": "succeeded",
    "failed": "failed",
    "pending": "not finished",
    "processing": "not finished",
    "not_found": "not found",
    "unavailable": "unavailable",
}
_NOT_FINISHED = "Not finished: call wait_for_headshot_tasks."
_STUCK = "tell the user, don't wait."
_NO_PICTURES = "Succeeded without pictures: check again in a minute; if none appear, ask Ace Data Cloud's support."
_FAILED = "Failed: tell the user why; this server can't start a new generation."
_MAY_HAVE_FAILED = "Failed, perhaps only for a moment: check again in a minute."
_WITHOUT_RESULT = (
    "Ended without a result: check again in a minute; if that does not change, ask Ace Data Cloud's support."
)
_NOT_FOUND = "Not found: check the id; new tasks can take a few seconds to appear."
_NOT_FOUND_PERHAPS = (
    "Not found, for no stated reason: check the id and ACEDATACLOUD_API_BASE_URL; new tasks can take a few seconds to "
    "appear."
)


def summary(outcomes: Mapping[str, Outcome]) -> str | None:
    """Count the tasks in each state, as in "12 of 50 succeeded, 3 failed, 35 not finished".

    None for one task, and for up to fifty that all succeeded: such an answer arrives whole everywhere.
    """
    all_succeeded = all(status_of(outcome) == "succeeded" for outcome in outcomes.values())
    if len(outcomes) == 1 or (all_succeeded and len(outcomes) <= FEW):
        return None
    counts = Counter(_WORDS[status_of(outcome)] for outcome in outcomes.values())
    succeeded = f"{counts.pop('succeeded', 0)} of {len(outcomes)} succeeded"
    return ", ".join(
        [succeeded, *(f"{counts[word]} {word}" for word in dict.fromkeys(_WORDS.values()) if counts[word])]
    )


def status_of(outcome: Outcome) -> str:
    """Return the status of a task; one that could not be looked up is `unavailable`."""
    return "unavailable" if isinstance(outcome, LookupFailed) else outcome.status


def next_step(
    outcomes: Mapping[str, Outcome], failures: Mapping[str, LookupFailed], now: float, waited: float = 0.0
) -> str | None:
    """Say what is left to do, or None if nothing is.

    Args:
        outcomes: What is known of each id.
        failures: Why the latest lookup of an id failed, for ids that are known from an earlier one.
        now: The Unix time, in seconds.
        waited: Seconds the caller has waited for the tasks.
    """
    tasks = {id_: task for id_, task in outcomes.items() if isinstance(task, HeadshotTask)}
    latest = {id_: failures[id_] for id_ in tasks if id_ in failures}
    ages = {id_: max(waited, task.age(now) or 0.0) for id_, task in tasks.items() if task.is_unfinished}
    several = len(outcomes) > 1
    still_running = any(age <= STUCK_SECONDS and id_ not in latest for id_, age in ages.items())
    steps = [
        _NOT_FINISHED if still_running else None,
        _stuck([age for age in ages.values() if age > STUCK_SECONDS], several=several),
        *map(_ended, tasks.values()),
        _left_out(sum(task.links_left_out for task in tasks.values())),
        *(f"Unavailable ({len(ids)}): {failure}" for failure, ids in shared_failures(outcomes)),
        *(
            f"The latest check{f' of {len(ids)}' if several else ''} failed: {failure}"
            for failure, ids in shared_failures(latest)
        ),
    ]
    return " ".join(dict.fromkeys(filter(None, steps))) or None


class SharedFailure(NamedTuple):
    """A failure, and the ids it applies to."""

    failure: LookupFailed
    ids: list[str]


def shared_failures(outcomes: Mapping[str, Outcome]) -> list[SharedFailure]:
    """Group ids by why they could not be looked up; failures that say the same are one, whatever their trace ids."""
    groups: dict[tuple[str, int | None, str | None], SharedFailure] = {}
    for id_, outcome in outcomes.items():
        if isinstance(outcome, LookupFailed):
            key = (outcome.message, outcome.status, outcome.code)
            groups.setdefault(key, SharedFailure(outcome, [])).ids.append(id_)
    return list(groups.values())


def _stuck(ages: list[float], *, several: bool) -> str | None:
    """Say that tasks of these ages have been running for too long."""
    if not ages:
        return None
    longest = duration(int(max(ages)))
    if len(ages) > 1:
        return f"{len(ages)} have been running for up to {longest} and are probably stuck: {_STUCK}"
    return f"{'1' if several else 'It'} has been running for {longest} and is probably stuck: {_STUCK}"


def _ended(task: HeadshotTask) -> str | None:
    if task.status == "failed":
        if task.ended_without_result:
            return _WITHOUT_RESULT
        return _FAILED if task.is_final else _MAY_HAVE_FAILED
    if task.status == "succeeded" and not task.image_urls and not task.links_left_out:
        return _NO_PICTURES
    if task.status == "not_found":
        return _NOT_FOUND_PERHAPS if task.base_url_in_doubt else _NOT_FOUND
    return None


def _left_out(links: int) -> str | None:
    if not links:
        return None
    return f"{links} picture link{'' if links == 1 else 's'} left out: unusable, or beyond the first {MAX_LINKS}."
