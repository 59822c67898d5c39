"""What each host is told of this server, in the host's own format: docs/hosts.md shows it, tests compare and try it.

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

    @classmethod
    def of(cls, key: str, **remote: Any) -> Host:
        """The blocks of a host that keeps its servers under a key, in JSON, with what it calls a remote one besides."""
        return cls(json_block(key, LOCAL), json_block(key, {**remote, **REMOTE}))


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


def line(*words: str) -> Block:
    """A line for any shell; that of Windows knows only double quotes."""
    return Block("sh", " ".join(f'"{word}"' if " " in word else word for word in words))


def librechat_block(**server: Any) -> Block:
    """LibreChat is told once for all its users, so each is asked for a token."""
    asked = {VARIABLE: {"title": "Ace Data Cloud token", "description": VARIABLES[VARIABLE]["description"]}}
    return yaml_block({"mcpServers": {NAME: {**server, "customUserVars": asked}}})


def opencode_block(**server: Any) -> Block:
    return json_block("mcp", server, **{"$schema": "https://opencode.ai/config.json"})


def link(address: str, **parameters: Any) -> str:
    values = {key: value if isinstance(value, str) else compact(value) for key, value in parameters.items()}
    return f"{address}?{urlencode(values, quote_via=quote)}"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def in_base64(value: Any) -> str:
    return b64encode(compact(value).encode()).decode()


NAME = "headshots"
CLAUDE = ("claude", "mcp", "add", "--scope", "user")
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

# For a host that can send no header: a program that can. No blank in its arguments: some hosts split them there.
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

ASKED_IN_LIBRECHAT = f"{{{{{VARIABLE}}}}}"

GENERIC = json_block("mcpServers", LOCAL)
BRIDGED = json_block("mcpServers", BRIDGE)

HOSTS = {
    "Claude Desktop": Host(GENERIC, BRIDGED),
    "Claude Code": Host(
        line(*CLAUDE, NAME, "--env", f"{VARIABLE}={TOKEN}", "--", *COMMAND),
        line(*CLAUDE, "--transport", "http", NAME, URL, "--header", f"Authorization: {BEARER}"),
    ),
    "Cursor": Host.of("mcpServers"),
    "VS Code": Host(
        json_block("servers", VS_CODE_LOCAL, inputs=INPUTS),
        json_block("servers", VS_CODE_REMOTE, inputs=INPUTS),
    ),
    "Codex": Host(codex_block(**LOCAL), codex_block(url=URL, http_headers=REMOTE["headers"])),
    "Gemini CLI": Host.of("mcpServers", type="http"),
    "opencode": Host(
        opencode_block(type="local", command=COMMAND, environment=LOCAL["env"]),
        opencode_block(type="remote", **REMOTE),
    ),
    "Copilot CLI": Host(
        json_block("mcpServers", {"type": "local", **LOCAL, "tools": ["*"]}),
        json_block("mcpServers", {"type": "http", **REMOTE, "tools": ["*"]}),
    ),
    "Windsurf, now Devin Desktop": Host.of("mcpServers"),
    "Zed": Host.of("context_servers"),
    "JetBrains IDEs": Host(GENERIC, BRIDGED),
    "Kiro": Host.of("mcpServers"),
    "Amp": Host.of("amp.mcpServers"),
    "Warp": Host.of("mcpServers"),
    "Cline": Host.of("mcpServers", type="streamableHttp"),
    "Continue": Host(
        continue_block(**LOCAL),
        continue_block(type="streamable-http", url=URL, requestOptions={"headers": REMOTE["headers"]}),
    ),
    "LM Studio": Host.of("mcpServers"),
    "Goose": Host(
        goose_block("stdio", cmd=LOCAL["command"], args=LOCAL["args"], envs=LOCAL["env"]),
        goose_block("streamable_http", uri=URL, headers=REMOTE["headers"]),
    ),
    "LibreChat": Host(
        librechat_block(type="stdio", **{**LOCAL, "env": {VARIABLE: ASKED_IN_LIBRECHAT}}),
        librechat_block(type="streamable-http", url=URL, headers={"Authorization": f"Bearer {ASKED_IN_LIBRECHAT}"}),
    ),
    "Open WebUI": Host.of("mcpServers", type="streamable-http"),
    "mcporter": Host.of("mcpServers"),
    "MCP Inspector": Host.of("mcpServers", type="streamable-http"),
}

# The README's one-liners.
LINES = {
    "Claude Code": HOSTS["Claude Code"].local,
    "Codex": line("codex", "mcp", "add", NAME, "--env", f"{VARIABLE}={TOKEN}", "--", *COMMAND),
    "Gemini CLI": line("gemini", "mcp", "add", "--scope", "user", "--env", f"{VARIABLE}={TOKEN}", NAME, *COMMAND),
}

# What works from a clone, before there is a release.
CLONE = "/path/to/headshots-mcp"
FROM_CLONE = json_block(
    "mcpServers",
    {
        "command": "uv",
        "args": ["run", "--no-dev", "--directory", CLONE, PACKAGE["identifier"]],
        "env": {VARIABLE: TOKEN},
    },
)

# GitHub follows no link that begins with `cursor:` or `vscode:`; these addresses lead there.
LINKS = {
    "cursor": link("https://cursor.com/en/install-mcp", name=NAME, config=in_base64(LOCAL)),
    "vs code": link("https://vscode.dev/redirect/mcp/install", name=NAME, inputs=INPUTS, config=VS_CODE_LOCAL),
    "lm studio": link("https://lmstudio.ai/install-mcp", name=NAME, config=in_base64(LOCAL)),
    "kiro": link("https://kiro.dev/launch/mcp/add", name=NAME, config=LOCAL),
    "goose": link(
        "https://goose-docs.ai/extension",
        cmd=COMMAND[0],
        arg=COMMAND[1],
        timeout="300",
        id=NAME,
        name=NAME,
        description=registry_entry()["title"],
        env=f"{VARIABLE}={QUESTION}",
    ),
}
