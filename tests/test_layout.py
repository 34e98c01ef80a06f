"""What the repository looks like: namespaces, exports, tests beside sources, words."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement


ROOT = Path(__file__).resolve().parent.parent
PARTS = ("protocol", "server", "client")
SOURCES = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
MODULES = [path for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]

MAX_LINES = 420
"""About what one reader keeps in mind; a longer module has more than one job."""


THROUGH = {
    "tests/protocol/test_responder.py": "lifecycle",
    # What the broker is put together from, and what its parts are told.
    "tests/server/test_broker.py": "assembly following ground limits login_assembly revocation service",
    "tests/server/test_quarantine.py": "login_desk",
    "tests/server/test_gate.py": "rights",
    "tests/server/test_tokens.py": "token_logins",
    # A peer is the other half of a broker in memory.
    "tests/server/testing/test_memory.py": "peer",
    "tests/server/directory/test_cases.py": """
        accounts arguments directory engine errors facts listing reading questions
        shapes writing
    """,
    "tests/server/directory/test_policy.py": """
        assignments closure compiled holders subject
    """,
    "tests/server/directory/test_questions.py": "asking evidence prospects supposing",
    # What sessions are told, and what is asked about what they hold.
    "tests/server/test_announcing.py": "attachments holdings",
    "tests/server/directory/script/test_applying.py": "secrets",
    "tests/server/directory/script/test_parser.py": "arguments grammar reports",
    "tests/server/directory/test_scripts.py": "stores",
    "tests/server/directory/test_stateful.py": "draft transition",
    "tests/server/directory/test_document.py": "described",
    "tests/server/directory/test_importing.py": "transfer",
    "tests/server/trail/test_writer.py": "retention trail",
    "tests/server/directory/test_storage.py": "bootstrap loaded opening rows store",
}
"""Modules that are tested through what stands in front of them, and where."""


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_namespace_has_no_package_of_its_own() -> None:
    assert not list(ROOT.glob("*/vestibule/__init__.py"))


@pytest.mark.parametrize("part", PARTS)
def test_each_part_says_that_it_is_typed(part: str) -> None:
    assert (ROOT / part / "vestibule" / part / "py.typed").is_file()


def exports(path: Path) -> list[str] | None:
    """Give what `__all__` lists, None without one."""
    for node in ast.parse(path.read_text("utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            assert isinstance(node, ast.Assign)
            found: list[str] = ast.literal_eval(node.value)
            return found
    return None


def isort_key(name: str) -> tuple[int, str]:
    """Constants, classes, functions: the order in which ruff sorts them."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_each_module_says_in_order_what_it_exports(path: Path) -> None:
    names = exports(path)
    assert names is not None
    assert names == sorted(set(names), key=isort_key)


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_each_module_says_what_it_is_for_and_has_one_job(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= MAX_LINES


def places_of(path: Path) -> Iterator[Path]:
    """Give where the tests of a module may stand."""
    relative = path.relative_to(ROOT)
    part, inner = relative.parts[0], relative.parts[3:]
    folder = ROOT / "tests" / part
    yield folder.joinpath(*inner[:-1], f"test_{inner[-1]}")
    for place, modules in THROUGH.items():
        here = (ROOT / place).parent == folder.joinpath(*inner[:-1])
        if here and path.stem in modules.split():
            yield ROOT / place
    stem = path.stem.removeprefix("cli_").removeprefix("config_")
    for family in ("cli", "config"):
        if path.stem.startswith(f"{family}_"):
            yield folder / f"test_{family}.py"
            yield folder / f"test_{stem}.py"


@cache
def imported_by_tests() -> frozenset[str]:
    """Give the modules that tests of the same part import by their own name."""
    found: set[str] = set()
    for part in PARTS:
        for path in (ROOT / "tests" / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.ImportFrom(module=str(module), names=names):
                        found |= {module, *(f"{module}.{one.name}" for one in names)}
                    case ast.Import(names=names):
                        found |= {one.name for one in names}
                    case _:
                        pass
    return frozenset(found)


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_each_module_has_tests_of_its_name_or_that_import_it(path: Path) -> None:
    places = list(places_of(path))
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])
    found = any(place.is_file() for place in places) or module in imported_by_tests()
    assert found, f"{shown(places[0])} is missing"


# Spelt in pieces, so that this file does not hold them itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            "/wo" + "rk/",
            r"(?<![\w.])/t" + "mp/",
            r"\.\./sha" + "red",
            r"\bsp" + r"ec/\w+\.md",
            r"(?<!\w)\.lib" + "rary",
            "/ro" + "ot/",
            "py" + r"pi\.org",
            r"registry\.n" + "pmjs",
        ]
    )
)


def texts() -> list[Path]:
    """Give the repository's own text files, without what tools leave behind."""
    kinds = {".py", ".md", ".toml", ".yaml", ".txt", ".sh", ".js", ".mjs", ""}
    left = {"node_modules", "__pycache__", "data", "build", "dist"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in kinds
        and not any(
            part in left or (part.startswith(".") and part != ".ci")
            for part in path.relative_to(ROOT).parts[:-1]
        )
    ]


def test_nothing_names_a_machine_or_what_readers_do_not_have() -> None:
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in texts()
        for number, line in enumerate(
            path.read_text("utf-8", errors="replace").splitlines(), start=1
        )
        if FORBIDDEN.search(line)
    ]
    assert found == []


def lines_of_code(*folders: str) -> Iterator[tuple[str, str]]:
    """Give each line of Python with its place; without a folder, of all."""
    for path in texts():
        first = path.relative_to(ROOT).parts[0]
        if path.suffix == ".py" and path != Path(__file__):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if not folders or first in folders:
                    yield f"{shown(path)}:{number}", line


def test_no_check_is_switched_off_without_a_reason() -> None:
    silent = re.compile(
        r"#\s*(?:noqa(?!:)|noqa:\s*[A-Z0-9, ]+$|type:\s*ignore(?!\[[\w, -]+\]  # \w))"
    )
    found = [place for place, line in lines_of_code() if silent.search(line)]
    assert found == []


def test_no_type_is_ignored_in_what_is_shipped() -> None:
    found = [
        place
        for place, line in lines_of_code(*PARTS)
        if re.search(r"#\s*type:\s*ignore", line)
    ]
    assert found == []


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements() -> list[str]:
    """Give every requirement of the project, its extras and its tools."""
    found = project()
    extras = found["project"]["optional-dependencies"].values()
    groups = [found["project"]["dependencies"], found["build-system"]["requires"]]
    return [
        line
        for group in [*groups, *extras, found["dependency-groups"]["dev"]]
        for line in group
    ]


@pytest.mark.parametrize("line", sorted(set(requirements())))
def test_each_requirement_has_its_exact_version_in_the_constraints(line: str) -> None:
    requirement = Requirement(line)
    pinned = {
        one.name.lower(): one.specifier for one in map(Requirement, constraints())
    }
    exact = str(pinned[requirement.name.lower()]).removeprefix("==")
    assert requirement.specifier.contains(exact)


def constraints() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_constraints_are_exact() -> None:
    for line in constraints():
        assert re.fullmatch(r"[\w.-]+==[\w.]+(?:; .+)?", line), line
