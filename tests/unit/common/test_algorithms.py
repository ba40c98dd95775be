"""An algorithm is one value: its files know its name, and nothing else does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT

from medfl_client.training.objectives import OBJECTIVES
from medfl_common.plan.algorithms import ALGORITHMS, PLAIN
from medfl_common.plan.options import Options
from medfl_common.plan.plan import Plan
from medfl_common.plan.settings import check
from medfl_server.aggregation.strategies import STRATEGIES

FOLDERS = [
    ROOT / "common" / "medfl_common" / "plan" / "algorithms",
    ROOT / "server" / "medfl_server" / "aggregation" / "strategies",
    ROOT / "client" / "medfl_client" / "training" / "objectives",
]
PACKAGES = [ROOT / side / f"medfl_{side}" for side in ("common", "server", "client", "sim")]


COMMON_WORDS = {"median"}  # of statistics, too


def elsewhere() -> list[Path]:
    files = [file for package in PACKAGES for file in package.rglob("*.py")]
    return [file for file in files if file.parent not in FOLDERS or file.name[0] == "_"]


def words(file: Path) -> Iterator[str]:
    """Every text and attribute of a file, but for docstrings."""
    tree = ast.parse(file.read_text())
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value
        if isinstance(node, ast.Attribute):
            yield f".{node.attr}"


def test_no_other_file_names_an_algorithm_or_its_options() -> None:
    options = [key for key in Options.model_fields if key != "q"]
    found = [
        f"{file.relative_to(ROOT)}: {word!r}"
        for file in elsewhere()
        for word in words(file)
        if word in {*ALGORITHMS.names()} - COMMON_WORDS
        or any(key in word for key in options if len(key) > 3)
    ]

    assert found == []


def test_no_other_file_speaks_of_an_algorithm() -> None:
    names = "|".join(sorted({*ALGORITHMS.names()} - COMMON_WORDS))
    spoken = re.compile(rf"(?<!plan\.algorithms\.)\b({names})\b")
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in elsewhere()
        for line in file.read_text().splitlines()
        if spoken.search(line)
    ]

    assert found == []


def test_each_half_that_an_algorithm_names_is_a_file() -> None:
    for name in ALGORITHMS.names():
        algorithm = ALGORITHMS.get(name)
        assert ALGORITHMS.get(algorithm.strategy).strategy == algorithm.strategy
        assert algorithm.strategy in STRATEGIES.names()
        assert algorithm.objective in OBJECTIVES.names()
        assert algorithm.objective == PLAIN or algorithm.objective in ALGORITHMS.names()


def test_each_half_has_an_algorithm() -> None:
    assert set(STRATEGIES.names()) <= set(ALGORITHMS.names())
    assert set(OBJECTIVES.names()) <= {*ALGORITHMS.names(), PLAIN}


# The hash of configs/phantom.yaml with sgd and an algorithm, as in the first version of medfl.
HASHES: dict[str, tuple[dict[str, object], str]] = {
    "fedavg": ({}, "3a91fa071685401c"),
    "fedavgm": (
        {"options": {"server_lr": 0.5, "server_momentum": 0.5}},
        "11a40c34890c2d1c",
    ),
    "fedadam": (
        {"options": {"adaptive_lr": 1, "beta_1": 0.5, "beta_2": 0.5, "tau": 0.5}},
        "68a5ed0a0d218a1b",
    ),
    "fedyogi": ({}, "b36af33b081a2711"),
    "fedadagrad": (
        {"options": {"tau": 1}},
        "6a5645c74ef5d9d2",
    ),
    "fedprox": (
        {"options": {"fedprox_mu": 1}},
        "3e9260195e8ef53b",
    ),
    "fednova": ({}, "6616f04bca40a85b"),
    "qfedavg": (
        {"options": {"q": 2}},
        "5e33ba23ef7e5ee5",
    ),
    "scaffold": (
        {"options": {"server_lr": 2}},
        "86f1f048b2f67892",
    ),
    "feddyn": (
        {"options": {"feddyn_alpha": 1}},
        "dfd0646d88304e67",
    ),
    "moon": (
        {"options": {"moon_mu": 5, "moon_temperature": 1}},
        "31b123f63129485e",
    ),
    "ditto": (
        {"options": {"ditto_lambda": 1}},
        "bfb779d678dda8d9",
    ),
    "fedbn": ({}, "acae6f0c037cdd49"),
    "fedper": ({}, "cabaa1b5f8f1a507"),
    "fedrep": (
        {"options": {"fedrep_head_epochs": 2}},
        "7a26e19567a90e4e",
    ),
    "median": (
        {"bad_sites": 2},
        "594a6530e3ad83ff",
    ),
    "trimmed_mean": (
        {"trim": 0.1},
        "deb292d442d95161",
    ),
    "krum": ({}, "aa432fe5950f2c68"),
    "multi_krum": ({}, "fa1dba6b497d9e10"),
    "bulyan": (
        {"bad_sites": 0},
        "90cfbbaaf6080d77",
    ),
    "cyclic": ({}, "96c99f640c102175"),
    "fedbuff": (
        {"options": {"fedbuff_size": 3, "fedbuff_staleness": 1}},
        "dddbc67ec1b704c6",
    ),
}


@pytest.mark.parametrize("name", HASHES)
def test_an_algorithms_plan_keeps_its_hash(name: str) -> None:
    values = yaml.safe_load((ROOT / "configs" / "phantom.yaml").read_text())
    values["training"]["optimizer"] = "sgd"
    changes, expected = HASHES[name]
    values["federation"] |= {"strategy": name, **changes}

    assert check(Plan, values, "the test").hash()[:16] == expected
