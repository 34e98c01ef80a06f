"""The documents say what the code does: keys, codes, examples, generated pages."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml
from tools import docs
from tools.commands_page import commands

from vestibule.client.cli_app import app
from vestibule.protocol.errors import CloseCode, EndReason, ErrorCode
from vestibule.server.config import Config
from vestibule.server.config_page import Key, keys


ROOT = Path(__file__).resolve().parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_generated_documents_are_what_the_code_says_now() -> None:
    assert docs.stale() == []


def test_a_stale_document_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(docs.GENERATED, "docs/configuration.md", lambda: "new")
    assert "docs/configuration.md" in docs.stale()
    assert docs.main(["--check"]) == 1
    monkeypatch.setitem(docs.GENERATED, "docs/absent.md", lambda: "new")
    assert "docs/absent.md" in docs.stale()


@pytest.mark.parametrize("key", list(keys()), ids=lambda key: key.dotted)
def test_every_key_is_documented_with_its_reason(key: Key) -> None:
    assert f"### `{key.dotted}`\n" in read("docs/configuration.md")
    assert key.variable in read("docs/configuration.md")
    assert key.why


def test_the_example_configuration_loads_and_is_the_defaults(tmp_path: Path) -> None:
    text = read("config.example.yaml")
    assert Config.load(ROOT / "config.example.yaml", environment={}) == Config()
    given = yaml.safe_load(text)
    for key in keys():
        assert re.search(rf"^[# ]*{key.path[-1]}: ", text, re.MULTILINE), key.dotted
        if not key.optional:
            found = given
            for part in key.path:
                found = found[part]
    # What is commented out is written as it has to be.
    uncommented = re.sub(
        r"^# ( *(?:tls|certificate|key):)", r"\1", text, flags=re.MULTILINE
    )
    path = tmp_path / "config.yaml"
    path.write_text(uncommented)
    assert Config.load(path, environment={}).listen.tls is not None


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_is_documented(code: ErrorCode) -> None:
    assert f"### `{code}`" in read("docs/protocol.md")


@pytest.mark.parametrize("code", list(CloseCode))
def test_every_close_code_is_documented(code: CloseCode) -> None:
    assert re.search(rf"\b{code.value}\b", read("docs/protocol.md"))
    assert code.name in read("docs/protocol.md")


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_reason_is_documented(reason: EndReason) -> None:
    assert f"`{reason}`" in read("docs/protocol.md")


@pytest.mark.parametrize("command", [name for name, _ in commands()])
def test_every_command_is_documented(command: str) -> None:
    assert re.search(
        rf"^## `vestibule {command}[ `]", read("docs/commands.md"), re.MULTILINE
    )


@pytest.mark.parametrize(
    "command",
    ["serve", "check-config", "key show", "key rotate", "health", "demo", "publish"]
    + ["subscribe", "call", "login-check", "explain", "who-can"]
    + [f"user {verb}" for verb in ("list", "get", "add", "update", "delete")]
    + [f"group {verb}" for verb in ("list", "get", "add", "update", "delete")]
    + ["group link", "group unlink", "grant add", "grant remove"],
)
def test_the_commands_are_those_that_were_designed(command: str) -> None:
    assert command in [name for name, _ in commands()]


@pytest.mark.parametrize(
    "path",
    [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ],
    ids=lambda path: path.name,
)
def test_links_inside_the_repository_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text("utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), target


def test_the_readme_leads_to_every_page() -> None:
    readme = read("README.md")
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    # A table that the page of the protocol leads to.
    pages -= {"docs/states.md"}
    assert [page for page in sorted(pages) if f"]({page})" not in readme] == []


def test_files_that_documents_name_exist() -> None:
    named = re.compile(r"`((?:docs|examples|tools|tests|benchmarks)/[\w./-]+)`")
    missing = [
        f"{path.name}: {name}"
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for name in named.findall(path.read_text("utf-8"))
        if not (ROOT / name).exists()
    ]
    assert missing == []


def test_documents_that_code_refers_to_exist() -> None:
    named = re.compile(r"\bdocs/[\w/]+\.md\b")
    missing = {
        name
        for part in ("protocol", "server", "client", "examples", "benchmarks", "tools")
        for path in (ROOT / part).rglob("*.py")
        for name in named.findall(path.read_text("utf-8"))
        if not (ROOT / name).exists()
    }
    assert missing == set()


def blocks(language: str) -> list[tuple[str, str]]:
    """Give the code blocks of one language in all documents, with their places."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = []
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text("utf-8")
        for match in fence.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{path.name}:{line}", match[1]))
    return found


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=place) for place, code in blocks("python")]
)
def test_python_in_documents_is_python(code: str) -> None:
    compile(code, "document", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=place) for place, text in blocks("yaml")]
)
def test_configurations_in_documents_load(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    Config.load(path, environment={})


SHOWN = [
    (f"{place}+{offset}", line.removeprefix("$ "))
    for language in ("console", "sh", "bash")
    for place, text in blocks(language)
    for offset, line in enumerate(text.splitlines())
    if re.match(r"\$ (\S*/)?vestibule ", line)
]


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=place) for place, line in SHOWN]
)
def test_commands_in_documents_are_commands(line: str) -> None:
    words = shlex.split(line.removesuffix("&"), comments=True)[1:]
    group = typer.main.get_group(app)
    top = group.make_context("vestibule", list(words), resilient_parsing=True)
    _, rest, _ = group.make_parser(top).parse_args(list(words))
    known = dict(commands())
    size = 2 if " ".join(rest[:2]) in known else 1
    command = known[" ".join(rest[:size])]
    # Raises for an option or a number of arguments that the command does not have.
    command.make_context(command.name, rest[size:])


def test_there_are_commands_in_documents() -> None:
    assert len(SHOWN) > 3
