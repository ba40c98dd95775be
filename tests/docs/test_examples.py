"""Each fenced example of the documents is tried: commands, plans, site files, Python.

A block's language says what is done with it: `sh` is parsed with the real commands, and run where
the document is a tutorial; `yaml` is read by the real reader; `python` is type-checked and run if
it is a whole module, and else a quotation of a source file. `text` is not tried.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import typer.main
import yaml
from tests.conftest import ROOT
from typer.testing import CliRunner

import medfl_client.cli
import medfl_server.cli
import medfl_sim.cli
from medfl_client.config.site_file import SiteFile
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import Settings, loads
from medfl_sim.data.scenario import Scenario

APPS = {
    "medfl-client": medfl_client.cli.app,
    "medfl-server": medfl_server.cli.app,
    "medfl-sim": medfl_sim.cli.app,
}
OTHERS = {"cd", "cp", "git", "install", "journalctl", "pip", "python3", "systemctl", "useradd"}
LANGUAGES = {"sh", "yaml", "python", "text", "json"}
RUN = ("first-hospital-study.md", "first-simulation.md", "bring-your-network.md")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/*.md")])
GUIDE = "adding-an-algorithm.md"  # test_adding.py tries its modules
BASE = yaml.safe_load((ROOT / "configs" / "phantom.yaml").read_text())
SITE = {"site": "north", "data": {"folder": "dicom", "labels_from": "folder"}}


@dataclass(frozen=True)
class Block:
    """One fenced example."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks_of(path: Path) -> Iterator[Block]:
    """Give the fenced examples of a document."""
    text = path.read_text()
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```[ ]*$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(path, line, found[1].strip(), found[2])


BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def commands(text: str) -> Iterator[list[str]]:
    """Give the words of each command of a shell block."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = next((i for i, word in enumerate(words) if word in ("&&", "|", ";")), len(words))
            yield words[3:end] if words[:2] == ["sudo", "-u"] else words[:end]
            words = words[end + 1 :]


def parse(words: list[str]) -> None:
    """Parse a command with the real options; raises click.UsageError if it is none."""
    command = typer.main.get_command(APPS[words[0]])
    context, words = click.Context(command, info_name=words[0]), words[1:]
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_context(context.info_name, list(words), parent=context.parent)


def is_module(text: str) -> bool:
    return text.startswith(('"""', "import ", "from "))


def test_each_block_says_what_it_is() -> None:
    assert len(BLOCKS) > 50
    for block in BLOCKS:
        assert block.language in LANGUAGES, f"{block}: {block.language!r}"
    for path in DOCUMENTS:
        rest = re.sub(r"^```.*?^```[ ]*$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        assert not re.search(r"^ *(```|~~~)", rest, re.MULTILINE), f"{path}: a fence is indented"


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_each_command_has_the_options_that_the_documents_give_it(block: Block) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands(block.text):
        program = Path(words[0]).name
        if program in APPS:
            try:
                parse([program, *words[1:]])
            except click.UsageError as error:
                pytest.fail(f"{block}: {shlex.join(words)}: {error.format_message()}")
        elif program == "make":
            assert set(words[1:]) <= set(targets), f"{block}: {shlex.join(words)}"
        else:
            assert program in OTHERS, f"{block}: {program}"


def test_each_command_in_a_sentence_is_there() -> None:
    for path in DOCUMENTS:
        for code in re.findall(r"`(medfl-(?:client|server|sim) [a-z][^`]*)`", path.read_text()):
            words = code.split()
            command = typer.main.get_command(APPS[words[0]])
            while words and isinstance(command, click.Group):
                words = words[1:]
                context = click.Context(command)
                found = command.get_command(context, words[0].rstrip(",:")) if words else None
                assert found is not None, f"{path.name}: {code}"
                command = found
            known = {name for parameter in command.params for name in parameter.opts}
            given = {word for word in words if word.startswith("--")}
            assert given <= known, f"{path.name}: {code}"


def model_of(values: dict[str, object]) -> tuple[type[Settings], dict[str, object]]:
    """Say what a YAML example describes, and complete it where it is a part."""
    keys = values.keys()
    if "plan" in keys:
        return Plan, values
    if keys <= Scenario.model_fields.keys():
        return Scenario, values
    if keys <= SiteFile.model_fields.keys():
        return SiteFile, SITE | values
    assert keys <= Plan.model_fields.keys(), f"no plan, site file or scenario has {list(keys)}"
    parts = {
        key: BASE.get(key, {}) | part if isinstance(part, dict) else part
        for key, part in values.items()
    }
    return Plan, BASE | parts


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_each_yaml_example_is_read_by_the_real_reader(block: Block) -> None:
    values = yaml.safe_load(block.text)
    if "groups" in values:  # rules for Prometheus
        assert all("expr" in rule for group in values["groups"] for rule in group["rules"])
        return
    model, whole = model_of(values)

    text = block.text if whole == values else yaml.safe_dump(whole)
    loads(model, text, source=str(block))


@pytest.mark.slow
def test_each_whole_python_example_is_strictly_typed(tmp_path: Path) -> None:
    whole = [b for b in of("python") if is_module(b.text) and b.path.name != GUIDE]
    for number, block in enumerate(whole):
        (tmp_path / f"example_{number}.py").write_text(f"# {block}\n{block.text}")

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", ".mypy_cache", *tmp_path.glob("*.py")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert whole
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", [b for b in of("python") if not is_module(b.text)], ids=str)
def test_each_part_of_python_is_quoted_from_a_source_file(block: Block) -> None:
    folders = ("common", "client", "server", "sim")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]

    assert any(block.text in path.read_text() for path in files), f"{block} is in no source file"


def do(block: Block) -> None:
    """Do what a tutorial's reader does with a block, in the working directory."""
    if block.language == "yaml":
        name = re.match(r"# (\S+)\n", block.text)
        assert name is not None, f"{block} does not begin with its file's name"
        Path(name[1]).write_text(block.text)
    elif block.language == "python" and (found := re.match(r'"""(\w+\.py): ', block.text)):
        Path(found[1]).write_text(block.text)
    elif block.language == "python":
        exec(compile(block.text, str(block), "exec"), {})
    elif block.language == "sh":
        for words in commands(block.text):
            done = CliRunner().invoke(APPS[words[0]], words[1:], catch_exceptions=False)
            assert done.exit_code == 0, f"{block}: {shlex.join(words)}: {done.output}"


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_a_tutorial_runs_from_its_first_block_to_its_last(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks_of(ROOT / "docs" / "tutorials" / name):
        do(block)

    assert len(os.listdir(tmp_path)) > 1
