"""Three small studies end with the weights they always had, by both engines."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.golden.commands import HERE
from tests.golden.studies import ENGINES, STUDIES, machine, run_study, sampled, write_phantoms

CLOSE = 1e-3  # another processor adds in another order
Final = Callable[[str, str], tuple[str, Path]]


@pytest.fixture(scope="module")
def final(tmp_path_factory: pytest.TempPathFactory) -> Final:
    """Give the digest and the model of a study by an engine; each is run once."""
    folder = tmp_path_factory.mktemp("golden")

    @cache
    def hospitals(kind: str) -> Path:
        return write_phantoms(folder / kind, kind)

    @cache
    def run(name: str, engine: str) -> tuple[str, Path]:
        return run_study(name, hospitals(STUDIES[name]), folder / f"{name}-{engine}", engine)

    return run


LARGEST = "fedper-volumes"


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == LARGEST else n for n in STUDIES],
)
def test_both_engines_end_with_the_same_bits(name: str, final: Final) -> None:
    (sha256, model), (other_sha256, other_model) = (final(name, engine) for engine in ENGINES)

    assert sha256 == other_sha256
    assert model.read_bytes() == other_model.read_bytes()


@pytest.mark.parametrize("name", STUDIES)
def test_the_final_weights_are_those_of_the_earlier_version(name: str, final: Final) -> None:
    found = sampled(final(name, "inprocess")[1])
    known = load_file(HERE / "weights" / f"{name}.safetensors")

    assert found.keys() == known.keys()
    for part, tensor in known.items():
        torch.testing.assert_close(found[part], tensor, rtol=CLOSE, atol=CLOSE, msg=part)


@pytest.mark.parametrize("name", STUDIES)
def test_on_a_machine_of_a_known_kind_they_are_the_same_to_the_bit(name: str, final: Final) -> None:
    digests = json.loads((HERE / "weights" / "sha256.json").read_text())
    known = digests.get(machine(), {}).get(name)
    if known is None:
        pytest.skip(f"no digest of {machine()}; python -m tests.golden.make weights adds it")

    assert final(name, "inprocess")[0] == known
