"""The examples of own parts work as they are printed, and are as short as the page says."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.conftest import PLAN, ROOT

from medfl_common.registry import REGISTRIES
from medfl_sim.own.use import own_modules

PAGE = ROOT / "docs" / "how-to" / "own-parts.md"
PARTS = ("network", "loss", "augmentation", "metric", "strategy")
MOST = {"network": 3, "loss": 5, "augmentation": 5, "metric": 8, "strategy": 8, "data": 10}

WORDS = {"strategy": "rule"}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Forget own parts after a test, in this process."""
    before = own_modules().copy()
    yield
    own_modules().intersection_update(before)
    for registry in REGISTRIES.values():
        registry.forget_own()


def blocks() -> dict[str, str]:
    """Give the page's whole Python examples by the kind of their part."""
    found = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    kinds = [re.search(r"use\((\w+)=", text) for text in found]
    return {kind[1] if kind else "data": text for kind, text in zip(kinds, found, strict=True)}


def lines_of(kind: str, text: str) -> int:
    """Count the lines of code; of a network those beyond its class."""
    code = re.sub(r"^class .*?(?=^\S)", "", text, flags=re.MULTILINE | re.DOTALL)
    code = code if kind == "network" else text
    return sum(bool(line.strip()) for line in code.splitlines())


@pytest.mark.parametrize("kind", [*PARTS, "data"])
def test_an_own_part_takes_no_more_lines_than_the_page_says(kind: str) -> None:
    n = lines_of(kind, blocks()[kind])
    said = " ".join(PAGE.read_text().split("In lines, with imports:")[1].split("##")[0].split())

    assert n <= MOST[kind]
    assert re.search(rf"\b{WORDS.get(kind, kind)}( takes)? {n}\b", said)


def test_the_examples_run_as_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, values = np.random.default_rng(0), yaml.safe_load(PLAN)
    labels = np.arange(60) % 2
    images = rng.normal(size=(60, 24, 24)) + labels[:, None, None] * np.linspace(0, 2, 24)
    np.savez("images.npz", images=images, labels=labels, patients=np.arange(60) // 2)
    values["images"]["modality"] = ["OT"]
    values["model"] = {"name": "Net"}
    values["training"] |= {"loss": "brier", "augmentation": {"own": ["darker"]}}
    values["federation"] |= {"rounds": 2, "strategy": "half_way"}
    values["evaluation"]["own_metrics"] = ["youden"]
    Path("plan.yaml").write_text(yaml.safe_dump(values))
    found = blocks()

    for kind in PARTS:
        exec(compile(found[kind], kind, "exec"), {"__name__": "example"})
    told: dict[str, object] = {}
    exec(compile(found["data"], "data", "exec"), told)

    scores = told["run"].scores["all sites"]  # type: ignore[attr-defined]
    right = told["run"].study.log.lines("finished")[0]  # type: ignore[attr-defined]
    assert right["round"] is not None
    assert -1 <= scores["youden"] <= 1
    assert told["run"].curve("youden")[0] == [0, 1, 2]  # type: ignore[attr-defined]
