"""Windows and macOS, as far as another system can tell: no trap in the code, no name or word they cannot take."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse

from headshots_mcp.sandbox.app import TOKEN
from headshots_mcp.server.listening import MAX_OPEN_FILES, _allow_many_connections
from tests.conftest import REPOSITORY
from tests.server.test_stdio import COMMAND, INITIALIZE, ask, environment, look_up, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Served

FOLDERS = ("src", "tests", "examples", "benchmarks", "mcpb")

# What code says, and why that is a trap.
TRAPS = {
    r"import (resource|fcntl|pwd|grp|termios|tty|pty|posix|syslog)(\..*)?": "Windows has no such module",
    r"os\.(fork|forkpty|killpg|[gs]ete?[ug]id|getpgid|setsid|getloadavg|sched_\w+|mkfifo|uname)": "not on Windows",
    r"os\.kill": "Windows ends any process by it: say Popen.terminate or Popen.kill",
    r"signal\.(SIG(KILL|HUP|USR[12]|QUIT|PIPE|CHLD|ALRM|STOP|CONT|WINCH)|alarm|setitimer|pause)": "not on Windows",
    r".+\.send_signal": "Windows has no signal to send to another process: say Popen.terminate",
    r".+\.(add|remove)_signal_handler": "Windows' event loop has none",
    r".+\.(create|open|start)_unix_\w+|socket\.(AF_UNIX|SO_REUSEPORT)": "not on Windows",
    r"asyncio\.set_event_loop_policy": "the usual event loop is the right one on each system",
    r"time\.tzset": "not on Windows",
    r"shell=True": "each system has a shell of its own",
    r"'/(tmp|proc|dev|etc|usr|var|opt|home|root|bin)\b.*": "not on every system",
    r"f['\"].*\{[^{}]*(path|folder|directory|root|home|here|tmp|repository)\}/.*": "join paths by pathlib",
    r"[^'\"]*strftime\(.*%[-#eklPs].*": "each system has formats of its own",
    r"text without encoding": "say encoding='utf-8': each system has a default of its own",
    r"print of .*": "the console of a Windows machine may not have these characters",
}

# What stays, because it is not run elsewhere or does no harm there.
LET_BE = {
    ("benchmarks/peers.py", "'/proc/'"): "benchmarks/run.py refuses any other system than Linux",
    ("benchmarks/peers.py", "'/proc/cpuinfo'"): "benchmarks/run.py refuses any other system than Linux",
    ("benchmarks/peers.py", "self._process.send_signal"): "benchmarks/run.py refuses any other system than Linux",
    ("tests/server/test_scale_out.py", "'/usr/sbin'"): "one more place to look for nginx, which need not be there",
    ("tests/server/test_scale_out.py", "'/etc/ssl'"): "a word of the README's configuration of nginx, replaced",
}

HTTP = ["--transport", "http"]

GUARD = re.compile(r"sys\.platform|os\.name|platform\.system|hasattr\(|\.exists\(|skipif|needs_")
LEAVE = re.compile(r"(return|raise)\b|(pytest\.skip|sys\.exit)\(")


def sources() -> dict[str, ast.Module]:
    files = [path.relative_to(REPOSITORY) for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")]
    own = [file for file in files if not any(part.startswith((".", "node_modules")) for part in file.parts)]
    return {file.as_posix(): ast.parse((REPOSITORY / file).read_bytes()) for file in sorted(own)}


SOURCES = sources()


def traps(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What code says that is a trap, and why, except where it asks for the system first."""
    if is_guarded(node):
        return
    for word in words(node):
        yield from ((word, why) for trap, why in TRAPS.items() if re.fullmatch(trap, word, re.DOTALL))
    for child in ast.iter_child_nodes(node):
        yield from traps(child)


def is_guarded(node: ast.AST) -> bool:
    """Tell a condition that asks for the system, and a function that is skipped or left on some."""
    asked: list[ast.AST] = []
    if isinstance(node, (ast.If, ast.IfExp)):
        asked = [node.test]
    elif isinstance(node, ast.BoolOp):
        asked = [node.values[0]]
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        exits = [part for part in node.body if isinstance(part, ast.If) and LEAVE.match(ast.unparse(part.body[-1]))]
        asked = [*node.decorator_list, *(part.test for part in exits)]
    return any(GUARD.search(ast.unparse(question)) for question in asked)


def words(node: ast.AST) -> Iterator[str]:
    """What a piece of code says, in the words of TRAPS."""
    match node:
        case ast.Attribute() | ast.JoinedStr() | ast.keyword():
            yield ast.unparse(node)
        case ast.Constant(value=str(text)):
            yield repr(text)
        case ast.Import():
            yield from (f"import {alias.name}" for alias in node.names)
        case ast.ImportFrom():
            yield from (f"import {node.module}", *(f"{node.module}.{alias.name}" for alias in node.names))
        case ast.Call(func=ast.Name("print")):
            said = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            yield from (f"print of {text}" for text in said if isinstance(text, str) and not fits_a_console(text))
        case ast.Call():
            yield from ["text without encoding"] if lacks_encoding(node) else []
            yield from [ast.unparse(node)] if ast.unparse(node.func).endswith("strftime") else []


def lacks_encoding(call: ast.Call) -> bool:
    named = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    given = [*map(ast.unparse, call.args), *named.values()]
    if "encoding" in named:
        return False
    match ast.unparse(call.func).split(".")[-1]:
        case "read_text":
            return not given
        case "write_text":
            return len(given) < 2
        case "open":
            modes = [word for word in given if re.fullmatch(r"'[rwxabt+]+'", word)]
            return not any("b" in mode for mode in modes) and bool(modes or isinstance(call.func, ast.Name))
    return "True" in (named.get("text"), named.get("universal_newlines"))


def fits_a_console(text: str) -> bool:
    try:
        return bool([text.encode(code_page) for code_page in ("cp1252", "cp950")])
    except UnicodeEncodeError:
        return False


@pytest.mark.parametrize("file", SOURCES)
def test_no_trap_is_in_the_code(file: str) -> None:
    assert not [(word, why) for word, why in traps(SOURCES[file]) if (file, word) not in LET_BE]


def test_whatever_is_let_be_is_there() -> None:
    assert set(LET_BE) <= {(file, word) for file, tree in SOURCES.items() for word, _ in traps(tree)}


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "from resource import getrlimit",
        "from os import fork",
        "os.kill(pid, 9)",
        "signal.signal(signal.SIGHUP, stop)",
        "process.send_signal(signal.SIGINT)",
        "loop.add_signal_handler(signal.SIGTERM, stop)",
        "asyncio.set_event_loop_policy(policy)",
        "subprocess.run(line, shell=True)",
        "subprocess.run(line, text=True)",
        "open('x')",
        "open('x', 'w')",
        "path.open('r')",
        "path.read_text()",
        "path.write_text(words)",
        "Path('/tmp')",
        "f'/proc/{pid}/status'",
        "f'{folder}/x'",
        "now.strftime('%-d')",
        "time.tzset()",
        "print('完成')",
        "def test():\n    if slow:\n        return\n    os.fork()",
        "if fast:\n    os.fork()",
    ],
)
def test_a_trap_is_seen(code: str) -> None:
    assert list(traps(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "open('x', 'rb')",
        "open('x', encoding='utf-8')",
        "path.read_text('utf-8')",
        "path.write_text(words, 'utf-8')",
        "server.open()",
        "f'{origin}/mcp'",
        "print('done', '完成', file=log) if sys.platform != 'win32' else None",
        "if hasattr(os, 'fork'):\n    os.fork()",
        "sys.platform != 'win32' and os.geteuid() == 0",
        "def test():\n    if sys.platform == 'win32':\n        return\n    import resource",
        "def test():\n    if not path.exists():\n        pytest.skip('no /proc')\n    Path('/proc/self')",
        "@pytest.mark.skipif(sys.platform == 'win32', reason='x')\ndef test():\n    process.send_signal(9)",
        "now.strftime('%Y-%m-%d')",
    ],
)
def test_what_is_none_is_let_through(code: str) -> None:
    assert not list(traps(ast.parse(code)))


def test_every_file_name_can_be_on_every_system() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0")[:-1]
    if not names:
        pytest.skip("not a checkout of git")
    parts = {part for name in names for part in name.split("/")}
    folded = Counter(name.casefold() for name in names)

    assert not [part for part in parts if re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part, re.IGNORECASE)]
    assert not [part for part in parts if re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part)]
    assert not [name for name, count in folded.items() if count > 1]
    # 260 are all that Windows takes, the folder of the checkout included.
    assert max(map(len, names)) < 160


def older_console(code_page: str) -> dict[str, str]:
    """An environment in which Python writes as it does where stdout has a Windows code page."""
    return environment(PYTHONIOENCODING=f"{code_page}:strict", PYTHONUTF8="0")


@pytest.mark.parametrize("code_page", ["cp1252", "cp950"])
@pytest.mark.parametrize(
    ("flags", "settings", "code", "said"),
    [
        (["--help"], {}, 0, "usage: headshots-mcp"),
        (["--version"], {}, 0, "headshots-mcp "),
        (["check", "--sandbox"], {}, 0, "headshots-mcp "),
        (["伺服器"], {}, 2, "headshots-mcp: argument COMMAND: invalid choice: "),
        ([*HTTP, "--host", "主機"], {}, 2, "headshots-mcp: --host must be an IP address"),
        (HTTP, {"ACEDATACLOUD_API_TOKEN": "權杖"}, 2, "headshots-mcp: ACEDATACLOUD_API_TOKEN is not a token"),
        (HTTP, {"ACEDATACLOUD_API_BASE_URL": "https://例子"}, 2, "headshots-mcp: ACEDATACLOUD_API_BASE_URL is not"),
    ],
)
def test_what_it_says_fits_an_older_console(
    code_page: str, flags: list[str], settings: dict[str, str], code: int, said: str
) -> None:
    ended = subprocess.run(
        [*COMMAND, *flags],
        env=older_console(code_page) | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )

    out, err = ended.stdout.decode(code_page), ended.stderr.decode(code_page)
    said_so, nothing = (err, out) if code else (out, err)
    assert (ended.returncode, nothing) == (code, "")
    assert said_so.startswith(said)


def test_the_demo_fits_an_older_console() -> None:
    ended = subprocess.run([*COMMAND, "demo"], env=older_console("ascii"), capture_output=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode("ascii").splitlines()[-1] == "Everything was as it should be."


def test_over_stdio_it_speaks_utf_8_whatever_the_console(served: Served) -> None:
    record = {"id": "照片", "request": {"template": "證件照"}, "response": {"success": True, "data": []}}
    served.sandbox.script("照片", [JSONResponse(record)])
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}
    with running(**older_console("cp1252"), **settings) as process:
        ask(process, INITIALIZE)
        answer = ask(process, look_up("照片"))

    assert answer["result"]["content"][0]["text"].startswith("照片 succeeded (證件照)")


def test_the_demo_ends_quietly_where_a_broken_pipe_is_an_invalid_argument() -> None:
    code = """\
import errno, io, sys
from headshots_mcp.cli import main

class Closed(io.TextIOWrapper):
    def write(self, text):
        raise OSError(errno.EINVAL, "Invalid argument")

sys.stdout = Closed(sys.stdout.buffer)
main(["demo"])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", b"")


def test_where_the_kernel_refuses_many_open_files_fewer_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS does: no limit is set, and yet no more than the kernel's own is taken."""
    resource: Any = pytest.importorskip("resource", reason="Windows has no limit of open files")
    asked = []

    def setrlimit(_which: int, limits: tuple[int, int]) -> None:
        asked.append(limits[0])
        if limits[0] > 10_240:
            raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    _allow_many_connections()

    assert asked == [MAX_OPEN_FILES, 10_240]
