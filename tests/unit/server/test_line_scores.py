"""The scores of a line in the run log are those of its counts, and pages need no counts to draw."""

from pathlib import Path

import pytest

from medfl_common.run.events import Asked, RoundMade
from medfl_common.run.log import RunLog
from medfl_server.reports.line_scores import curves, with_scores
from medfl_server.reports.scores import ALL, score_sites

OLD = Path(__file__).parents[2] / "golden" / "run"


@pytest.fixture
def rewritten(tmp_path: Path) -> RunLog:
    """Write the rounds of an earlier version's log as this version does."""
    log = RunLog(tmp_path)
    for event in RunLog(OLD).read(RoundMade):
        facts = {k: v for k, v in with_scores(event).facts.items() if k not in ("event", "time")}
        log.add(RoundMade(facts))
    return log


def test_the_scores_of_a_line_are_those_of_its_counts(rewritten: RunLog) -> None:
    rounds = rewritten.read(RoundMade)

    assert len(rounds) >= 2
    for event in rounds:
        whole, told = score_sites(event), event.scores
        assert told is not None
        for name, value in whole[ALL].values.items():
            assert told["all"][name] == value
        assert (told["all"]["n"], told["all"]["loss"]) == (whole[ALL].n, whole[ALL].loss)
        assert told["sites"].keys() == whole.keys() - {ALL}
        for site, own in told["sites"].items():
            assert own["auc"] == pytest.approx(whole[site].values["auc"], abs=1e-6)
            assert (own["n"], own["loss"]) == (whole[site].n, pytest.approx(whole[site].loss))


@pytest.mark.parametrize("value", ["loss", "auc", "accuracy"])
def test_curves_are_drawn_from_the_lines_alone(
    value: str, rewritten: RunLog, tmp_path: Path
) -> None:
    from_counts = curves(RunLog(OLD).read(RoundMade), value)
    (tmp_path / "tallies.jsonl").unlink()

    from_lines = curves(rewritten.read(RoundMade), value)

    assert from_lines.keys() == from_counts.keys() > {ALL}
    for name, (x, y) in from_counts.items():
        assert from_lines[name] == (x, pytest.approx(y, abs=1e-6))


def test_a_score_that_no_line_has_is_taken_from_the_counts(rewritten: RunLog) -> None:
    from_counts = curves(RunLog(OLD).read(RoundMade), "kappa")

    assert curves(rewritten.read(RoundMade), "kappa") == from_counts


def test_a_round_that_nobody_scored_has_no_scores() -> None:
    assert with_scores(Asked.of_replies(1, 2.0, {}, {"a": "not connected"})).scores is None
