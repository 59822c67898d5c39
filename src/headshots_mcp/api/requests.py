"""The API's request bodies, for one task or several, which are also the arguments of the tools."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

MAX_IDS = 1000


def bare_schema(schema: dict[str, Any]) -> None:
    """Remove from a JSON schema what costs a model tokens and tells it nothing.

    A constant becomes an `enum` with one value, because some models refuse all tools of a server that uses `const`.
    """
    schema.pop("title", None)
    schema.pop("description", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        if "const" in field:
            field["enum"] = [field.pop("const")]
        if field.get("default", ...) is None:
            del field["default"]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("unprintable", "must not contain control or invisible characters")
    return text


class Request(BaseModel):
    """Arguments of a tool: unknown ones are refused, and each has a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=bare_schema)


TaskId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128),
    AfterValidator(_printable),
]


class RetrieveTask(Request):
    """Body of the request for one task (docs/api.md, "Request"), and the arguments of `get_headshot_task`."""

    id: Annotated[TaskId, Field(description="Task id given when the generation was started, usually a UUID")]
    action: Annotated[
        Literal["retrieve"],
        BeforeValidator(lambda given: "retrieve" if given is None else given),
        Field(description="Optional"),
    ] = "retrieve"


class RetrieveTasks(Request):
    """Body of the request for several (docs/api.md, "Request"), and the arguments of `get_headshot_tasks`."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_IDS, description="Task ids")]
    action: Annotated[
        Literal["retrieve_batch"],
        BeforeValidator(lambda given: "retrieve_batch" if given is None else given),
        Field(description="Optional"),
    ] = "retrieve_batch"
