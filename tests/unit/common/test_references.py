"""Algorithms and networks name their publications as their files do."""

import inspect
import re
import sys

import pytest

from medfl_common.models import DENSE, MODELS
from medfl_common.plan.algorithms import ALGORITHMS
from medfl_server.reports.paper.references import network_of


def joined(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_an_algorithm_cites_the_paper_of_its_file(name: str) -> None:
    algorithm = ALGORITHMS.get(name)
    assert algorithm.reference is not None
    module = f"medfl_common.plan.algorithms.{name}"
    told = joined(inspect.getdoc(sys.modules[module]) or "")

    assert algorithm.reference.title in told
    assert str(algorithm.reference.year) in told
    assert algorithm.reference.authors.partition(",")[0] in told
    assert algorithm.paper in told


@pytest.mark.parametrize("name", [*MODELS.names(), *DENSE.names()])
def test_a_network_of_a_paper_cites_it(name: str) -> None:
    found = network_of(name)

    assert (found is None) == (name == "small_cnn")
    assert found is None or found.url.startswith("https://")
