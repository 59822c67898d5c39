"""When a call that failed is tried again: what may pass, after which pause, and no longer than there is time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from tenacity.stop import stop_base

from headshots_mcp.api.errors import Transient

if TYPE_CHECKING:
    from tenacity import RetryCallState

_log = logging.getLogger(__name__)

_BACKOFF = wait_exponential(multiplier=0.2) + wait_random(0, 0.25)


def retrying(attempts: int) -> AsyncRetrying:
    """Make what calls a function again as long as it raises `Transient` (DESIGN: retry).

    Args:
        attempts: How often it is called at most; and never again once the cancel scope around it would end first.
    """
    return AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        stop=stop_after_attempt(attempts) | _StopAtDeadline(),
        wait=_pause,
        sleep=anyio.sleep,
        before_sleep=_log_retry,
        reraise=True,
    )


def _pause(state: RetryCallState) -> float:
    """Seconds to wait before the next attempt: what the API asked for, else a little more each time."""
    error = state.outcome.exception() if state.outcome else None
    return (isinstance(error, Transient) and error.retry_after) or _BACKOFF(state)


class _StopAtDeadline(stop_base):
    """Gives up at once if the next attempt could not even begin before the cancel scope around it ends."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        return anyio.current_time() + retry_state.upcoming_sleep >= anyio.current_effective_deadline()


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    cause = type(error.__cause__).__name__ if error and error.__cause__ else "no further cause"
    _log.info("trying again in %.1f s: %s [%s]", state.upcoming_sleep, error, cause)
