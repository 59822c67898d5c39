"""What each host is told of this server, in the host's own format: the README shows it, tests compare, read and try it.

Command, arguments and variables are those of the registry entry.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import yaml

from tests.test_packaging import registry_entry


class Block(NamedTuple):
    """What goes into a host's file, or into a terminal."""

    language: str
    text: str

    def __str__(self) -> str:
        """The block as Markdown."""
        return f"```{self.language}\n{self.text}\n```"


class Host(NamedTuple):
    """A host's block for a server that it starts itself, and its block for one that runs elsewhere."""

    local: Block
    remote: Block


def in_json(value: Any, margin: str = "\n") -> str:
    """JSON in which only what holds objects or lists is broken into lines."""
    deeper = f"{margin}  "
    match value:
        case dict() if any(isinstance(held, (dict, list)) for held in value.values()):
            lines = [f"{deeper}{json.dumps(key)}: {in_json(held, deeper)}" for key, held in value.items()]
            return f"{{{','.join(lines)}{margin}}}"
        case list() if any(isinstance(held, (dict, list)) for held in value):
            return f"[{','.join(deeper + in_json(held, deeper) for held in value)}{margin}]"
        case _:
            return json.dumps(value)


def json_block(key: str, server: dict[str, Any], **beside: Any) -> Block:
    return Block("json", in_json({**beside, key: {NAME: server}}))


def yaml_block(settings: dict[str, Any]) -> Block:
    return Block("yaml", yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=120).strip())


def continue_block(**server: Any) -> Block:
    return yaml_block({"mcpServers": [{"name": NAME, **server}]})


def goose_block(kind: str, **how: Any) -> Block:
    return yaml_block({"extensions": {NAME: {"type": kind, "name": NAME, "enabled": True, **how, "timeout": 300}}})


def codex_block(**server: Any) -> Block:
    def in_toml(value: Any) -> str:
        if isinstance(value, dict):
            return f"{{ {', '.join(f'{key} = {in_toml(held)}' for key, held in value.items())} }}"
        return json.dumps(value)

    return Block("toml", "\n".join([f"[mcp_servers.{NAME}]", *(f"{key} = {in_toml(server[key])}" for key in server)]))


def claude_block(*words: str) -> Block:
    """A line for any shell; that of Windows knows only double quotes."""
    line = ["claude", "mcp", "add", "--scope", "user", *words]
    return Block("sh", " ".join(f'"{word}"' if " " in word else word for word in line))


def link(address: str, **parameters: Any) -> str:
    values = {key: value if isinstance(value, str) else compact(value) for key, value in parameters.items()}
    return f"{address}?{urlencode(values, quote_via=quote)}"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


NAME = "headshots"
TOKEN = "your-token"
PACKAGE = registry_entry()["packages"][0]
VARIABLES = {variable["name"]: variable for variable in PACKAGE["environmentVariables"]}
(VARIABLE,) = (name for name in VARIABLES if VARIABLES[name].get("isRequired"))
ORIGIN = f"https://{VARIABLES['HEADSHOTS_ALLOWED_HOSTS']['placeholder']}"
URL = f"{ORIGIN}/mcp"
BEARER = f"Bearer {TOKEN}"

COMMAND = [PACKAGE["runtimeHint"], PACKAGE["identifier"]]
LOCAL: dict[str, Any] = {"command": COMMAND[0], "args": COMMAND[1:], "env": {VARIABLE: TOKEN}}
REMOTE: dict[str, Any] = {"url": URL, "headers": {"Authorization": BEARER}}

# For a host that would send no header: a program that does. No blank in the arguments, for some hosts break them there.
BRIDGE: dict[str, Any] = {
    "command": "npx",
    "args": ["-y", "mcp-remote", URL, "--header", "Authorization:${AUTHORIZATION}"],
    "env": {"AUTHORIZATION": BEARER},
}

# VS Code asks for the token once and keeps it.
ASKED = "acedata-token"
QUESTION = VARIABLES[VARIABLE]["description"]
INPUTS = [{"type": "promptString", "id": ASKED, "description": QUESTION, "password": True}]
VS_CODE_LOCAL = {"type": "stdio", **LOCAL, "env": {VARIABLE: f"${{input:{ASKED}}}"}}
VS_CODE_REMOTE = {"type": "http", "url": URL, "headers": {"Authorization": f"Bearer ${{input:{ASKED}}}"}}

GENERIC = json_block("mcpServers", LOCAL)
BRIDGED = json_block("mcpServers", BRIDGE)

HOSTS = {
    "Claude Desktop": Host(GENERIC, BRIDGED),
    "Claude Code": Host(
        claude_block(NAME, "--env", f"{VARIABLE}={TOKEN}", "--", *COMMAND),
        claude_block("--transport", "http", NAME, URL, "--header", f"Authorization: {BEARER}"),
    ),
    "Cursor": Host(GENERIC, json_block("mcpServers", REMOTE)),
    "VS Code": Host(
        json_block("servers", VS_CODE_LOCAL, inputs=INPUTS),
        json_block("servers", VS_CODE_REMOTE, inputs=INPUTS),
    ),
    "Windsurf, now Devin Desktop": Host(GENERIC, json_block("mcpServers", REMOTE)),
    "Zed": Host(json_block("context_servers", LOCAL), json_block("context_servers", REMOTE)),
    "JetBrains IDEs": Host(GENERIC, BRIDGED),
    "Cline": Host(GENERIC, json_block("mcpServers", {"type": "streamableHttp", **REMOTE})),
    "Continue": Host(
        continue_block(**LOCAL),
        continue_block(type="streamable-http", url=URL, requestOptions={"headers": REMOTE["headers"]}),
    ),
    "Codex": Host(codex_block(**LOCAL), codex_block(url=URL, http_headers=REMOTE["headers"])),
    "Gemini CLI": Host(GENERIC, json_block("mcpServers", {"type": "http", **REMOTE})),
    "Goose": Host(
        goose_block("stdio", cmd=LOCAL["command"], args=LOCAL["args"], envs=LOCAL["env"]),
        goose_block("streamable_http", uri=URL, headers=REMOTE["headers"]),
    ),
}

# GitHub follows no link that begins with `cursor:` or `vscode:`; these two addresses lead there.
LINKS = {
    "add to cursor": link(
        "https://cursor.com/en/install-mcp", name=NAME, config=b64encode(compact(LOCAL).encode()).decode()
    ),
    "install in vs code": link(
        "https://vscode.dev/redirect/mcp/install", name=NAME, inputs=INPUTS, config=VS_CODE_LOCAL
    ),
}
