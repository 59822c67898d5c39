"""Whole JSON documents, and records whose known fields hold whatever JSON can hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
links = st.text() | st.from_regex(r"\s?https?://[a-z./?#@:\\[\]%  é照-]*\s?", fullmatch=True) | anything
errors = anything | st.fixed_dictionaries({}, optional={"code": anything | st.text(), "message": anything | st.text()})
told: dict[str, st.SearchStrategy[Any]] = {
    "success": st.booleans() | anything,
    "status": st.sampled_from(["unknown", "failed", "done"]) | anything,
    "state": st.sampled_from(["processing", "error", "succeed"]) | anything,
    "finished_at": st.floats() | st.integers(1_700_000_000, 1_800_000_000) | anything,
    "error": errors,
    "trace_id": anything,
}
responses = anything | st.fixed_dictionaries(
    {},
    optional=told
    | {
        "task_id": anything,
        "data": st.lists(st.fixed_dictionaries({"image_url": links}) | anything, max_size=4) | anything,
    },
)
records: st.SearchStrategy[Any] = anything | st.fixed_dictionaries(
    {},
    optional=told
    | {
        "id": anything,
        "created_at": st.floats() | st.integers() | anything,
        "request": st.fixed_dictionaries({"template": anything}) | anything,
        "response": responses,
    },
)
