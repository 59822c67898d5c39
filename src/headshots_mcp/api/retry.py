"""Retries calls that failed: for faults that may pass, with growing pauses, and only while there is time."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, TypeVar

import anyio

from headshots_mcp.api.errors import LookupFailed, RateLimited, ServerBusy, Transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.2
# More than one lookup a second is enough to be rate limited (docs/api.md, "Pace").
_FIRST_PAUSE_AFTER_RATE_LIMIT_SECONDS = 1.0
_JITTER_SECONDS = 0.25

_log = logging.getLogger(__name__)


async def retrying(attempts: int, call: Callable[[], Awaitable[T]]) -> T:
    """Call a function, and call it again while it raises `Transient`.

    Args:
        attempts: Maximum number of calls; there are fewer if the cancel scope around this would end before the next.
        call: The function.

    Raises:
        LookupFailed: The last failure that came with an answer, because silence at the end would hide what the API
            said before; if none did, the last failure.
    """
    deadline = anyio.current_effective_deadline()
    failures: list[Transient] = []
    while True:
        try:
            return await call()
        except Transient as error:
            failures.append(error)
        except anyio.get_cancelled_exc_class():
            if failures and anyio.current_time() >= deadline:
                raise _most_telling(failures) from None
            raise
        pause = failures[-1].retry_after or _backoff(failures)
        has_time = anyio.current_time() + pause < deadline
        if len(failures) == attempts or not has_time or isinstance(failures[-1], ServerBusy):
            raise _most_telling(failures)
        _log_retry(failures[-1], pause)
        await anyio.sleep(pause)


def _backoff(failures: list[Transient]) -> float:
    """Seconds to wait before the next attempt: twice as long each time, with jitter."""
    limited = isinstance(failures[-1], RateLimited)
    first = _FIRST_PAUSE_AFTER_RATE_LIMIT_SECONDS if limited else _FIRST_PAUSE_SECONDS
    return first * 2.0 ** (len(failures) - 1) + random.uniform(0, _JITTER_SECONDS)  # noqa: S311 -- no secret


def _most_telling(failures: list[Transient]) -> LookupFailed:
    return next((failure for failure in reversed(failures) if failure.status), failures[-1])


def _log_retry(failure: Transient, pause: float) -> None:
    cause = type(failure.__cause__).__name__ if failure.__cause__ else "no further cause"
    _log.info("trying again in %.1f s: %s [%s]", pause, failure, cause)
