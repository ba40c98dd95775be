"""The guide's own algorithm works as it is printed: its files, and no change to another one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "how-to" / "adding-an-algorithm.md"
VALUE = Path("common/medfl_common/plan/algorithms/clipped_mean.py")
STRATEGY = Path("server/medfl_server/aggregation/strategies/clipped_mean.py")
SIDES = ("common", "server", "client")

USE = """
import sys, yaml, torch
from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan, plan_from_json
from medfl_common.plan.settings import check
from medfl_common.plan.unused import unused_settings
from medfl_server.aggregation.aggregator import aggregation_of
from medfl_server.aggregation.strategies import AggregationContext, UpdateInfo

values = yaml.safe_load(open(sys.argv[1]))
others = check(Plan, values, "the test")
print(others.hash())
values["federation"] |= {"options": {"clipped_limit": 2}}
print(*unused_settings(check(Plan, values, "the test")))
values["federation"] |= {"strategy": "clipped_mean"}
plan = check(Plan, values, "the test")
assert '"clipped_limit":2' in plan.canonical() and "clipped_limit" not in others.canonical()
assert plan_from_json(plan.canonical()) == plan and unused_settings(plan) == []
one = aggregation_of(AggregationContext(plan.federation))
one.add({"w": torch.tensor([1.0])}, UpdateInfo(9))
one.add({"w": torch.tensor([-90.0])}, UpdateInfo(9))
print(float(one.result({"w": torch.tensor([10.0])})["w"]))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages with the guide's files added."""
    folder = tmp_path_factory.mktemp("tree")
    for side in SIDES:
        shutil.copytree(ROOT / side, folder / side)
    value, strategy = (part.split("```")[0] for part in GUIDE.read_text().split("```python\n")[1:3])
    (folder / VALUE).write_text(value)
    (folder / STRATEGY).write_text(strategy)
    return folder


def python(tree: Path, *arguments: str) -> str:
    path = os.pathsep.join(str(tree / side) for side in SIDES)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "MYPYPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_algorithm_is_added_by_its_own_files_and_changes_no_other_plan(tree: Path) -> None:
    from medfl_common.plan.plan import load_plan

    plan = ROOT / "configs" / "phantom.yaml"
    hash_, unused, weights = python(tree, "-c", USE, str(plan)).splitlines()

    assert hash_ == load_plan(plan).hash()
    assert "clipped_limit is an option of clipped_mean; fedavg has none" in unused
    assert float(weights) == pytest.approx(10 + (1 - 2) / 2)


@pytest.mark.slow
def test_the_guides_files_are_as_strictly_typed_as_all_others(tree: Path) -> None:
    options = ["--strict", "--explicit-package-bases", "--ignore-missing-imports"]
    files = [str(tree / VALUE), str(tree / STRATEGY)]
    cache = ["--cache-dir", str(tree / "cache")]

    assert "no issues" in python(tree, "-m", "mypy", *options, *cache, *files)
