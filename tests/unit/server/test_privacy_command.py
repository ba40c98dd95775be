"""`medfl-server privacy`: the noise of a plan, before anybody approves it."""

import builtins
from pathlib import Path

import pytest
from tests.conftest import PLAN
from tests.unit.client.test_approvals import Said

from medfl_common.errors import ConfigError
from medfl_common.plan.noise_cost import epsilon_of_training
from medfl_common.plan.plan import load_plan
from medfl_common.privacy.accountant import gaussian_multiplier
from medfl_server.commands.privacy import compute_noise
from medfl_server.planning.noise_figures import Hospitals, auc_error

BLOCK = """\
privacy:
  noise:                     # by patient
    # what may be told
    epsilon: 3.0
    delta: 0.00001
    draw: 256
    steps: 6
    least_patients: 900
    scores: 3.0
"""
FLOW = (
    "privacy: {noise: {epsilon: 3.0, delta: 0.00001, draw: 256, steps: 6, least_patients: 900, "
    "scores: 3.0}}\n"
)
FIVE = Hospitals(5, 200)


def plan_file(folder: Path, noise: str = BLOCK) -> Path:
    path = folder / "plan.yaml"
    text = PLAN.replace("validation: 0.25", "keep: last").replace("rounds: 3", "rounds: 10")
    path.write_text(f"# ours\n{text}{noise}")
    return path


@pytest.mark.parametrize(
    "noise",
    [
        BLOCK,
        FLOW,
        BLOCK + "    multiplier: 0.5  # too little\n",
        FLOW.replace("3.0}}", "3.0, multiplier: 99}}"),
        BLOCK + "    multiplier: soon\n",
    ],
)
def test_a_multiplier_that_is_missing_or_wrong_is_written_and_nothing_else(
    noise: str, tmp_path: Path
) -> None:
    path, said = plan_file(tmp_path, noise), Said()

    compute_noise(path, FIVE, True, said)

    plan = load_plan(path)
    assert plan.privacy.noise is not None
    assert plan.privacy.noise.multiplier == 3.52
    assert 2.95 < epsilon_of_training(plan.privacy.noise, 10) <= 3
    assert path.read_text().startswith("# ours\n")
    assert "# what may be told" in path.read_text() or noise.startswith("privacy: {")
    assert f"wrote multiplier: 3.52 into {path}" in said.text
    assert [p.name for p in tmp_path.iterdir()] == ["plan.yaml"]


def test_without_write_it_says_what_to_write_and_changes_nothing(tmp_path: Path) -> None:
    path, said = plan_file(tmp_path), Said()
    before = path.read_text()

    compute_noise(path, FIVE, False, said)

    assert path.read_text() == before
    for words in (
        "the plan has none. Write multiplier: 3.52",
        "epsilon 3 at delta 1e-05 of a patient",
        "epsilon 2.74, by dp-accounting",
        "is wrong about 1 of 100 who were not there",
        "with a chance of 0.2 at most",
        "60 steps of about 256 patients: 17.1 passes over 900 patients",
        "the AUC of 5 hospitals with 200 held-out patients each is off by about 0.017",
    ):
        assert words in said.text
    assert not any(word in said.text for word in ("anonym", "%"))


def test_more_noise_than_needed_stays_in_the_plan(tmp_path: Path) -> None:
    path, said = plan_file(tmp_path, BLOCK + "    multiplier: 5\n"), Said()

    compute_noise(path, FIVE, False, said)

    assert "multiplier: 5 is in the plan" in said.text


def test_without_dp_accounting_it_says_how_to_get_the_tight_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, said = builtins.__import__, Said()

    def without(name: str, *rest: object, **more: object) -> object:
        if name.startswith("dp_accounting"):
            raise ImportError(name)
        return whole(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    compute_noise(plan_file(tmp_path), FIVE, False, said)

    assert "pip install 'medfl[privacy]'" in said.text


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        ("", "has no privacy.noise"),
        (BLOCK.replace("3.0", "0.05", 1), "no multiplier fits"),
        (BLOCK.replace("draw: 256", "draw: 2560"), "is more than least_patients"),
        (BLOCK.replace("steps: 6", "stepz: 6"), "did you mean 'steps'"),
    ],
)
def test_a_plan_that_cannot_have_noise_is_refused(noise: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        compute_noise(plan_file(tmp_path, noise), FIVE, False, Said())


def test_the_auc_is_off_by_what_a_study_of_the_same_noise_measured() -> None:
    """Five hospitals of 197, each with its own noise: 0.011, 0.026 and 0.070 were measured."""
    for epsilon, measured in ((8.0, 0.011), (3.0, 0.026), (1.0, 0.070)):
        error = auc_error(gaussian_multiplier(epsilon, 1e-5), Hospitals(5, 197))

        assert 0.5 * measured < error < 1.3 * measured
