"""The public contract, word for word: what a host is told of the server and its tools.

If a change is wanted: `uv run pytest tests/server/test_contract.py --inline-snapshot=fix`, and read the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inline_snapshot import snapshot

from tests.conftest import connected

if TYPE_CHECKING:
    from tests.conftest import Served


async def test_the_server_introduces_itself(served: Served) -> None:
    async with connected(served.base_url) as client:
        assert client.server_info is not None
        introduced = (client.server_info.name, client.server_info.title, client.instructions)

    assert introduced == snapshot(
        (
            "headshots-mcp",
            "AI headshots",
            "Looks up AI headshot (ID photo) tasks of Ace Data Cloud by task id: status and picture links. A generation usually takes one to two minutes. Lookups are read-only. This server can't list tasks (ask the user for the id), can't create or edit headshots (that is done at platform.acedata.cloud or with its API), and can't see the pictures (give the user the links and let them choose).",
        )
    )


async def test_the_contract_changes_only_on_purpose(served: Served) -> None:
    async with connected(served.base_url) as client:
        listed = await client.list_tools()

    assert [tool.model_dump(by_alias=True, exclude_none=True) for tool in listed.tools] == snapshot(
        [
            {
                "name": "get_headshot_task",
                "title": "Look up a headshot task",
                "description": "Look up one AI headshot (ID photo) task by its id: its status and picture links. For several ids call get_headshot_tasks once; to wait for it, use wait_for_headshot_tasks. Returns at once: a status (pending, processing, succeeded, failed or not_found), the picture links once it has succeeded, the reason if it failed, and a suggested next step.",
                "inputSchema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "id": {
                            "description": "Task id given when the generation was started, usually a UUID",
                            "maxLength": 128,
                            "minLength": 1,
                            "type": "string",
                        },
                        "action": {
                            "default": "retrieve",
                            "enum": ["retrieve"],
                            "description": "Optional",
                            "type": "string",
                        },
                    },
                    "required": ["id"],
                },
                "outputSchema": {
                    "$defs": {
                        "TaskError": {
                            "properties": {
                                "code": {"type": "string"},
                                "message": {"type": "string"},
                                "trace_id": {"type": "string"},
                            },
                            "type": "object",
                        }
                    },
                    "properties": {
                        "id": {"type": "string"},
                        "status": {
                            "enum": ["pending", "processing", "succeeded", "failed", "not_found", "unavailable"],
                            "type": "string",
                        },
                        "image_urls": {
                            "description": "http(s) links of the finished pictures",
                            "items": {"type": "string"},
                            "type": "array",
                        },
                        "template": {"type": "string"},
                        "created_at": {
                            "description": "When an unfinished or failed task was created",
                            "format": "date-time",
                            "type": "string",
                        },
                        "error": {"$ref": "#/$defs/TaskError"},
                        "next_step": {"description": "Suggested next action", "type": "string"},
                    },
                    "required": ["id", "status", "image_urls"],
                    "type": "object",
                },
                "icons": [
                    {
                        "src": "https://raw.githubusercontent.com/headshots-mcp/headshots-mcp/main/mcpb/icon.png",
                        "mimeType": "image/png",
                        "sizes": ["512x512"],
                    }
                ],
                "annotations": {
                    "readOnlyHint": True,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": True,
                },
                "_meta": {
                    "ui": {"resourceUri": "ui://headshots/gallery.html"},
                    "ui/resourceUri": "ui://headshots/gallery.html",
                    "anthropic/maxResultSizeChars": 500000,
                },
            },
            {
                "name": "get_headshot_tasks",
                "title": "Look up headshot tasks",
                "description": "Look up several AI headshot (ID photo) tasks in one call, up to 1,000 ids; about 100 fit into one answer in most hosts. For a single id use get_headshot_task. Returns counts and a suggested next step, then one entry per task in request order, as get_headshot_task gives it; one that could not be fetched is unavailable, with a reason. To wait for unfinished ones, use wait_for_headshot_tasks.",
                "inputSchema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "ids": {
                            "description": "Task ids",
                            "items": {"maxLength": 128, "minLength": 1, "type": "string"},
                            "maxItems": 1000,
                            "minItems": 1,
                            "type": "array",
                        },
                        "action": {
                            "default": "retrieve_batch",
                            "enum": ["retrieve_batch"],
                            "description": "Optional",
                            "type": "string",
                        },
                    },
                    "required": ["ids"],
                },
                "outputSchema": {
                    "$defs": {
                        "HeadshotTask": {
                            "properties": {
                                "id": {"type": "string"},
                                "status": {
                                    "enum": [
                                        "pending",
                                        "processing",
                                        "succeeded",
                                        "failed",
                                        "not_found",
                                        "unavailable",
                                    ],
                                    "type": "string",
                                },
                                "image_urls": {
                                    "description": "http(s) links of the finished pictures",
                                    "items": {"type": "string"},
                                    "type": "array",
                                },
                                "template": {"type": "string"},
                                "created_at": {
                                    "description": "When an unfinished or failed task was created",
                                    "format": "date-time",
                                    "type": "string",
                                },
                                "error": {"$ref": "#/$defs/TaskError"},
                                "next_step": {"description": "Suggested next action", "type": "string"},
                            },
                            "required": ["id", "status", "image_urls"],
                            "type": "object",
                        },
                        "TaskError": {
                            "properties": {
                                "code": {"type": "string"},
                                "message": {"type": "string"},
                                "trace_id": {"type": "string"},
                            },
                            "type": "object",
                        },
                    },
                    "properties": {
                        "summary": {"description": "How many are in which state", "type": "string"},
                        "next_step": {"description": "Suggested next action", "type": "string"},
                        "tasks": {"items": {"$ref": "#/$defs/HeadshotTask"}, "type": "array"},
                    },
                    "required": ["tasks"],
                    "type": "object",
                },
                "icons": [
                    {
                        "src": "https://raw.githubusercontent.com/headshots-mcp/headshots-mcp/main/mcpb/icon.png",
                        "mimeType": "image/png",
                        "sizes": ["512x512"],
                    }
                ],
                "annotations": {
                    "readOnlyHint": True,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": True,
                },
                "_meta": {
                    "ui": {"resourceUri": "ui://headshots/gallery.html"},
                    "ui/resourceUri": "ui://headshots/gallery.html",
                    "anthropic/maxResultSizeChars": 500000,
                },
            },
            {
                "name": "wait_for_headshot_tasks",
                "title": "Wait for headshot tasks",
                "description": "Wait until AI headshot (ID photo) tasks finish, one or several, instead of polling. Use it when a generation is pending or processing. Returns what get_headshot_tasks does, as soon as all have finished, or after timeout_seconds with what is known by then; the suggested next step says whether to call it again.",
                "inputSchema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "ids": {
                            "description": "Task ids",
                            "items": {"maxLength": 128, "minLength": 1, "type": "string"},
                            "maxItems": 1000,
                            "minItems": 1,
                            "type": "array",
                        },
                        "timeout_seconds": {
                            "default": 45,
                            "description": "Maximum seconds to wait; some hosts stop a call after 60",
                            "maximum": 300,
                            "minimum": 1,
                            "type": "number",
                        },
                    },
                    "required": ["ids"],
                },
                "outputSchema": {
                    "$defs": {
                        "HeadshotTask": {
                            "properties": {
                                "id": {"type": "string"},
                                "status": {
                                    "enum": [
                                        "pending",
                                        "processing",
                                        "succeeded",
                                        "failed",
                                        "not_found",
                                        "unavailable",
                                    ],
                                    "type": "string",
                                },
                                "image_urls": {
                                    "description": "http(s) links of the finished pictures",
                                    "items": {"type": "string"},
                                    "type": "array",
                                },
                                "template": {"type": "string"},
                                "created_at": {
                                    "description": "When an unfinished or failed task was created",
                                    "format": "date-time",
                                    "type": "string",
                                },
                                "error": {"$ref": "#/$defs/TaskError"},
                                "next_step": {"description": "Suggested next action", "type": "string"},
                            },
                            "required": ["id", "status", "image_urls"],
                            "type": "object",
                        },
                        "TaskError": {
                            "properties": {
                                "code": {"type": "string"},
                                "message": {"type": "string"},
                                "trace_id": {"type": "string"},
                            },
                            "type": "object",
                        },
                    },
                    "properties": {
                        "summary": {"description": "How many are in which state", "type": "string"},
                        "next_step": {"description": "Suggested next action", "type": "string"},
                        "tasks": {"items": {"$ref": "#/$defs/HeadshotTask"}, "type": "array"},
                    },
                    "required": ["tasks"],
                    "type": "object",
                },
                "icons": [
                    {
                        "src": "https://raw.githubusercontent.com/headshots-mcp/headshots-mcp/main/mcpb/icon.png",
                        "mimeType": "image/png",
                        "sizes": ["512x512"],
                    }
                ],
                "annotations": {
                    "readOnlyHint": True,
                    "destructiveHint": False,
                    "idempotentHint": True,
                    "openWorldHint": True,
                },
                "_meta": {
                    "ui": {"resourceUri": "ui://headshots/gallery.html"},
                    "ui/resourceUri": "ui://headshots/gallery.html",
                    "anthropic/maxResultSizeChars": 500000,
                },
            },
        ]
    )
