"""How the package is built: who may know whom, what a module may hold; its sizes are printed at the end of a run."""

from __future__ import annotations

import ast
import re
import sys
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = REPOSITORY / "src" / "headshots_mcp"

# The modules from top to bottom: each imports only what stands below it. Beside each, the packages it knows, but for
# the standard library and anyio, which all may.
MODULES = {
    "__main__": "",
    "cli": "os.environ",
    "check": "",
    "demo": "mcp mcp_types",
    "outcomes": "cryptography starlette",
    "sandbox": "pydantic starlette uvicorn",
    "faults": "starlette",
    "portraits": "",
    "serving": "mcp uvicorn",
    "asgi": "mcp starlette",
    "server": "mcp mcp_types pydantic",
    "mcp_tasks": "mcp mcp_types pydantic",
    "gallery": "mcp",
    "waiting": "",
    "reader": "",
    "recall": "cachetools",
    "client": "httpx pydantic",
    "retry": "tenacity",
    "logs": "os.environ",
    "settings": "pydantic os.environ",
    "models": "pydantic pydantic_core",
    "errors": "",
    "__init__": "",
}
MADE_UP_API = {"outcomes", "sandbox", "faults", "portraits"}
PRINTS = {"cli", "demo"}
SAYS_NOTHING = {"core", "utils", "util", "helpers", "common", "manager", "misc", "base"}

# What may be called while a module is loaded: it makes a value that nobody changes afterwards.
MAKES_A_CONSTANT = {
    "AfterValidator",
    "BeforeValidator",
    "StringConstraints",
    "ToolAnnotations",
    "TransportSecuritySettings",
    "TypeAdapter",
    "TypeVar",
    "_NoneOnError",
    "_json",
    "logging.getLogger",
    "re.compile",
    "version",
    "wait_exponential",
    "wait_random",
}

SOURCES = {path.stem: ast.parse(path.read_bytes()) for path in sorted(PACKAGE.glob("*.py"))}
each_module = pytest.mark.parametrize("module", SOURCES)


@pytest.fixture(scope="module", autouse=True)
def _sizes(request: pytest.FixtureRequest) -> None:
    """Have the sizes printed at the end of the run; nobody is held to them."""
    request.config.stash[TABLES]["how long modules and functions are, in lines"] = list(sizes())


def sizes() -> Iterator[str]:
    yield f"{'module':11} {'all':>4} {'functions':>9} {'median':>6} {'longest':>7}"
    every = []
    for module, tree in SOURCES.items():
        functions = [(lines(node), node.name) for node in ast.walk(tree) if isinstance(node, FUNCTION)]
        every += functions
        long, name = max(functions, default=(0, ""))
        middle = median([length for length, _ in functions] or [0])
        total = len((PACKAGE / f"{module}.py").read_bytes().splitlines())
        yield f"{module:11} {total:4} {len(functions):9} {middle:6g} {long:7} {name}".rstrip()
    yield f"the median function has {median(length for length, _ in every):g} lines"


FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def imported(tree: ast.AST) -> Iterator[str]:
    """Every name that is imported anywhere in a module, for types too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: import by the whole name, as in headshots_mcp.models"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def siblings(tree: ast.AST) -> set[str]:
    """The modules of the package that a module imports."""
    names = {name.split(".")[1] for name in imported(tree) if name.startswith("headshots_mcp.")}
    return {name if name in SOURCES else "__init__" for name in names}


def strangers(tree: ast.AST) -> set[str]:
    """The packages of others that a module imports, and the environment."""
    packages = {name.split(".")[0] for name in imported(tree)}
    attributes = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    reads = {"os.environ"} if {"os.environ", "os.getenv"} & (attributes | set(imported(tree))) else set()
    return packages - set(sys.stdlib_module_names) - {"anyio", "headshots_mcp", "typing_extensions"} | reads


def test_every_module_has_its_place_in_the_table() -> None:
    new, gone = set(SOURCES) - set(MODULES), set(MODULES) - set(SOURCES)

    assert not new, (
        f"new: {sorted(new)}. Add a line to MODULES in tests/test_structure.py, above every module it imports and "
        "below every one that imports it, and beside it the packages it knows."
    )
    assert not gone, f"gone: {sorted(gone)}. Take the line out of MODULES in tests/test_structure.py."
    assert not [path for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"]


@each_module
def test_a_module_imports_only_from_below_itself(module: str) -> None:
    order = list(MODULES)
    below = order[order.index(module) + 1 :] if module in order else order
    wrong = siblings(SOURCES[module]) - set(below)

    assert not wrong, f"{module} imports {wrong}, which MODULES in tests/test_structure.py does not have below it"


@each_module
def test_a_module_knows_the_packages_of_others_that_the_table_says(module: str) -> None:
    assert strangers(SOURCES[module]) == set(MODULES.get(module, "").split()), "see MODULES in tests/test_structure.py"


def test_the_made_up_api_shares_no_code_with_what_is_tried_on_it() -> None:
    assert {other for module in MADE_UP_API for other in siblings(SOURCES[module])} <= MADE_UP_API


@each_module
def test_a_module_says_its_idea_in_one_sentence(module: str) -> None:
    sentence = (ast.get_docstring(SOURCES[module]) or "").split("\n\n")[0]

    assert re.fullmatch(r"[^\n]+\.", sentence)
    assert not re.search(r"[.!?] [A-Z]", sentence)
    assert module not in SAYS_NOTHING


@each_module
def test_a_module_holds_nothing_but_constants_functions_and_classes(module: str) -> None:
    tree = SOURCES[module]
    assigned = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    others = [ast.unparse(node) for node in tree.body if node not in assigned and not is_harmless(node)]
    called = {ast.unparse(call.func) for node in assigned for call in calls(node)}

    assert not others
    assert called <= MAKES_A_CONSTANT, "make it in a function; or is it a constant, for MAKES_A_CONSTANT?"
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """What is called when a statement is run: not what a lambda in it will call."""
    if isinstance(node, ast.Call):
        yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from calls(child)


def is_harmless(node: ast.stmt) -> bool:
    """Tell what keeps nothing: definitions, imports, texts, and the start of a program."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'") and not node.orelse
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef, *FUNCTION))


@each_module
def test_only_what_people_read_is_printed_to_stdout(module: str) -> None:
    printed = [ast.unparse(call) for call in ast.walk(SOURCES[module]) if isinstance(call, ast.Call)]
    to_stdout = [line for line in printed if re.match(r"print\((?!.*file=sys\.stderr)|sys\.stdout\.write", line)]

    assert bool(to_stdout) == (module in PRINTS)


@each_module
def test_no_class_of_ours_is_a_bare_task(module: str) -> None:
    """MCP has Tasks of its own."""
    names = {node.name for node in ast.walk(SOURCES[module]) if isinstance(node, ast.ClassDef)}

    assert not names & {"Task", "Tasks", "_Task", "_Tasks"}
