"""What those who carry on rely on: pinned tools and actions, nothing locked, the same checks everywhere, true words."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from typing import Any

import pytest
import tomli
import yaml

from headshots_mcp import __version__
from tests.conftest import REPOSITORY


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


PROJECT = tomli.loads(read("pyproject.toml"))
WORKFLOWS = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / ".github/workflows").glob("*.yml")}
JOBS = yaml.safe_load(WORKFLOWS["test.yml"])["jobs"]
CONTRIBUTING = read("CONTRIBUTING.md")


@pytest.fixture(scope="module")
def files() -> list[str]:
    """What git has of this project."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0")[:-1]
    if not names:
        pytest.skip("not a checkout of git")
    return [name for name in names if (REPOSITORY / name).is_file()]


@pytest.mark.parametrize("group", PROJECT["dependency-groups"])
def test_every_tool_is_pinned(group: str) -> None:
    tools = PROJECT["dependency-groups"][group]

    assert tools
    assert not [tool for tool in tools if not re.fullmatch(r"[a-z0-9-]+==\d[\w.]*", tool)]


def test_every_runtime_dependency_has_a_lowest_version_to_be_tested_with() -> None:
    assert not [one for one in PROJECT["project"]["dependencies"] if not re.fullmatch(r"[a-z0-9-]+>=\d[\w.,<]*", one)]


def test_every_package_of_npm_is_pinned(files: list[str]) -> None:
    manifests: dict[str, Any] = {name: json.loads(read(name)) for name in files if name.endswith("package.json")}
    wanted = {
        f"{name}: {package}": version
        for name, manifest in manifests.items()
        for kind in ("dependencies", "devDependencies", "optionalDependencies")
        for package, version in manifest.get(kind, {}).items()
    }

    assert wanted
    assert not {name: version for name, version in wanted.items() if not re.fullmatch(r"(npm:.+@)?\d[\w.-]*", version)}


def test_every_action_is_pinned_to_one_commit_and_says_its_version() -> None:
    uses = [line for text in WORKFLOWS.values() for line in re.findall(r"uses: (.+)", text)]
    foreign = {line for line in uses if not line.startswith("$/")}

    assert foreign
    assert not [line for line in foreign if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)]
    assert len(foreign) == len({line.split("@")[0] for line in foreign})


# The first digits of the SHA-256 of each registry's domain, so that this file does not name them either.
REGISTRIES = {"a4aa2ac280bb8d1a", "8b5bb5eb9d758455", "8743857e3ea00fd1", "3ca29e55be4befa4"}


def digest(host: bytes) -> str:
    return hashlib.sha256(host.lower()).hexdigest()[:16]


def hosts(content: bytes) -> list[bytes]:
    """Every domain of two parts that a file says, alone or at the end of a longer one."""
    return re.findall(rb"[\w-]+\.(?:org|com)", content)


def test_nothing_is_locked_to_where_it_was_downloaded(files: list[str]) -> None:
    locks = r"(.*/)?(uv|poetry|pdm|Pipfile|yarn)\.lock|(.*/)?(package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml)"

    assert not [name for name in files if re.fullmatch(locks, name)]
    assert not [name for name in files if REGISTRIES & set(map(digest, hosts((REPOSITORY / name).read_bytes())))]
    assert {"uv.lock", "package-lock.json"} <= set(read(".gitignore").splitlines())


def test_the_same_checks_are_run_before_a_commit_in_ci_and_on_github() -> None:
    hooks = [hook for repo in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    line = "uv run --group lint prek run --all-files"

    assert not [hook["id"] for hook in hooks if not hook["entry"].startswith("uv run -q --group lint ")]
    assert line in read(".ci/run").replace("uv run -q", "uv run")
    assert line in [step.get("run") for step in JOBS["checks"]["steps"]]
    assert ".ci/run" in [step.get("run") for step in JOBS["everything"]["steps"]]
    assert f"`{line}`" in CONTRIBUTING


def test_every_python_from_the_lowest_on_is_tested_on_every_system() -> None:
    matrix = JOBS["tests"]["strategy"]["matrix"]
    minors = [int(version.removeprefix("3.")) for version in matrix["python"]]

    assert PROJECT["project"]["requires-python"] == f">=3.{minors[0]}"
    assert minors == list(range(minors[0], 15))
    assert matrix["system"] == ["ubuntu-latest", "macos-latest", "windows-latest"]


def test_the_changelog_begins_with_this_version() -> None:
    first = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)[0]

    assert re.fullmatch(rf"{re.escape(__version__)}, (not released yet|\d{{4}}-\d\d-\d\d)", first)


def test_contributing_is_short_and_names_files_that_are_there() -> None:
    named = set(re.findall(r"[\w./-]+\.(?:py|json|toml|md|yml|html)\b|\.ci/run", CONTRIBUTING))
    folders = ("", "src/headshots_mcp", ".github/workflows")

    assert len(CONTRIBUTING.splitlines()) <= 80
    assert len(named) > 20
    assert not [name for name in named if not any((REPOSITORY / folder / name).exists() for folder in folders)]


@pytest.mark.parametrize(
    "path", ["SECURITY.md", ".github/ISSUE_TEMPLATE/config.yml", "server.json", "mcpb/manifest.json"]
)
def test_the_project_has_one_address(path: str) -> None:
    repository = PROJECT["project"]["urls"]["Repository"]
    given = re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", read(path))

    assert set(given) == {repository}
    assert repository.removeprefix("https://github.com/") in CONTRIBUTING


def test_who_reports_a_bug_is_asked_for_what_check_says() -> None:
    form = yaml.safe_load(read(".github/ISSUE_TEMPLATE/bug.yml"))
    first = form["body"][0]

    assert "headshots-mcp check" in first["attributes"]["label"]
    assert first["validations"]["required"]
