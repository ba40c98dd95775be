"""Each relative link of the documents leads to a file, and each anchor to a heading."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT

from medfl_common.plan.algorithms import ALGORITHMS
from medfl_sim.data.partitioners import PARTITIONERS

FENCE = re.compile(r"^(```|~~~).*?^\1[ ]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
FOLDERS = ("*.md", "docs/**/*.md", "benchmarks/*.md", ".github/**/*.md")
DOCUMENTS = sorted(path for folder in FOLDERS for path in ROOT.glob(folder))


def prose(path: Path) -> str:
    """Give a document without its code."""
    return CODE.sub("`code`", FENCE.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """Name the headings of a document as forges and mkdocs do."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", LINK.sub("", heading).lower()).strip()
        slug = words.replace(" ", "-")
        n = sum(1 for name in found if re.fullmatch(re.escape(slug) + r"(-\d+)?", name))
        found.add(f"{slug}-{n}" if n else slug)
    return found | set(re.findall(r'<a id="([^"]+)"', path.read_text()))


def links(path: Path) -> Iterator[tuple[str, str]]:
    """Give (path, anchor) of each link that stays in the repository."""
    for target in LINK.findall(prose(path)):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield file, anchor


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_link_leads_to_a_file_and_its_heading(path: Path) -> None:
    for file, anchor in links(path):
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{path.name} links to {file}, which is not there"
        assert target.is_relative_to(ROOT), f"{path.name} links to {file}, outside the repository"
        if anchor:
            assert anchor in anchors(target), f"{path.name} links to {file}#{anchor}"


def test_each_path_in_a_sentence_is_there() -> None:
    tops = "client|server|common|sim|tests|tools|configs|deploy|benchmarks|docs|notebooks"
    for path in DOCUMENTS:
        for code in re.findall(rf"`((?:{tops})/[\w./@-]+)`", path.read_text()):
            if "NAME" not in code and path.name != "CHANGELOG.md":
                assert (ROOT / code).exists(), f"{path.name} names {code}, which is not there"


def test_the_list_of_decisions_names_each_decision() -> None:
    index = ROOT / "docs" / "decisions" / "README.md"
    listed = {file for file, _ in links(index)}

    there = {path.name for path in index.parent.glob("[0-9]*.md")}
    assert there == {name for name in listed if name[0].isdigit()}
    for name in there:
        text = (index.parent / name).read_text()
        assert re.match(rf"# {name[:4]}\. .+\n\n(Date: )?20\d\d-\d\d-\d\d", text), name
        assert re.search("(?i)g[ai]ve[n]? up", text), f"{name} does not say what was given up"


def test_the_front_page_is_short() -> None:
    readme = (ROOT / "README.md").read_text()

    assert len(readme.splitlines()) <= 120
    assert len(readme.encode()) <= 8192


def test_the_front_page_counts_right() -> None:
    readme = (ROOT / "README.md").read_text()

    assert f"{len(ALGORITHMS.names())} algorithms" in readme
    assert f"{len(PARTITIONERS.names()) + 1} partitions" in readme  # and the folders as they are


def test_hosted_ci_runs_what_the_makefile_has() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    runs = [
        step["run"] for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]
        if "run" in step
    ]  # fmt: skip

    assert "make test" in runs
    assert {run.removeprefix("make ") for run in runs} <= set(targets)
