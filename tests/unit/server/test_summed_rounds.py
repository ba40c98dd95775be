"""Rounds as secure sums: who vanishes when, a coordinator that ends, and what it reads."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.conftest import MakePlan
from tests.unit.server.summing_post import SummingPost, update_of

from medfl_common.models.weights import Weights
from medfl_common.run.checkpoint import load_newest
from medfl_common.run.events import Finished, RoundMade, RoundWithoutQuorum
from medfl_common.run.folder import RunFolder
from medfl_server.rounds import summed_rounds
from medfl_server.rounds.paused import PausedError
from medfl_server.study.run_directory import Study


def weights_of(study: Study) -> Weights:
    newest, _ = load_newest(study.checkpoints)
    assert newest is not None
    return newest.weights


def sha256_of(study: Study) -> str:
    return study.log.read(Finished)[-1].sha256


@pytest.fixture
def summing(make_plan: MakePlan) -> Path:
    return make_plan(
        privacy={"secure_sum": {"most_images": 100}},
        evaluation={"keep": "last"},
        federation={"rounds": 3, "min_sites": 1, "deadline_s": 2, "empty_rounds": 2},
    )


def test_the_model_is_the_mean_of_what_the_hospitals_trained(summing: Path, tmp_path: Path) -> None:
    post = SummingPost(4)
    study = post.run(tmp_path / "run", summing)

    start = load_newest(study.checkpoints)
    assert start is not None
    expected = {n: t.double() for n, t in _start(study).items()}
    for round_ in (1, 2, 3):
        made = [update_of(site, round_, expected) for site in post.sites]
        n = sum(one.n_images for one in made)
        for name in expected:
            expected[name] += sum(one.update[name] * one.n_images for one in made if one.update) / n
    for name, tensor in weights_of(study).items():
        assert (tensor - expected[name]).abs().max() < 2e-7  # 3 roundings of float32
    rounds = study.log.read(RoundMade)
    assert [event.pooled.n_images for event in rounds if event.pooled] == [230] * 3
    assert post.asked == {
        "keys": 8, "setups": 8, "train": 12, "evaluate": 4, "test": 4, "open": 20,
    }  # fmt: skip


def _start(study: Study) -> Weights:
    from safetensors.torch import load

    whole = load(study.files.initial_weights.read_bytes())
    return {name: whole[name] for name in weights_of(study)}


def test_the_order_of_arrival_changes_no_bit_and_no_key_does(summing: Path, tmp_path: Path) -> None:
    first = SummingPost(4).run(tmp_path / "first", summing)
    other = SummingPost(4)
    other.order = random.Random(1).sample(other.sites, 4)

    assert sha256_of(other.run(tmp_path / "other", summing)) == sha256_of(first)


def test_one_of_four_may_vanish_before_it_answers_or_after(summing: Path, tmp_path: Path) -> None:
    before = SummingPost(4)
    before.mute = {"train": {"h3"}}
    study = before.run(tmp_path / "before", summing)
    assert [e.pooled.n_sites for e in study.log.read(RoundMade) if e.pooled] == [3, 3, 3]

    after = SummingPost(4)
    after.mute = {"open": {"h3"}}
    whole = SummingPost(4).run(tmp_path / "whole", summing)
    assert sha256_of(after.run(tmp_path / "after", summing)) == sha256_of(whole)


def test_fewer_than_needed_open_nothing_and_change_nothing(summing: Path, tmp_path: Path) -> None:
    for kind in ("train", "open"):
        post = SummingPost(4)
        post.mute = {kind: {"h3", "h4"}}
        with pytest.raises(PausedError):
            post.run(tmp_path / kind, summing)
        study = post.run(tmp_path / kind, summing, stop=lambda said: True)
        assert not study.log.read(RoundMade)
        assert len(study.log.read(RoundWithoutQuorum)) == 2

        post.mute = {}
        went_on = post.run(tmp_path / kind, summing)
        whole = SummingPost(4).run(tmp_path / f"whole-{kind}", summing)
        assert sha256_of(went_on) == sha256_of(whole)


Cut = Callable[..., object]


@pytest.mark.parametrize("at", ["write_ahead", "open_sum", "after_open", "checkpoint"])
def test_a_coordinator_that_ends_anywhere_goes_on_to_the_same_bits(
    at: str, summing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sha256_of(SummingPost(4).run(tmp_path / "whole", summing))
    post, n_cuts = SummingPost(4), 0

    def ends(*args: object, **kwargs: object) -> object:
        nonlocal n_cuts
        n_cuts += 1
        if n_cuts == 2:  # of the second round
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    if at == "checkpoint":
        from medfl_server.rounds import loop

        real: Cut = loop.save
        monkeypatch.setattr(loop, "save", lambda *a: ends(*a) if a[1].round else real(*a))
    else:
        name = "open_sum" if at == "after_open" else at
        real = getattr(summed_rounds, name)
        monkeypatch.setattr(summed_rounds, name, ends)

    post.run(tmp_path / "run", summing)
    assert n_cuts == 2
    post.mute = {"open": {"h2"}}  # others open it now
    study = post.run(tmp_path / "run", summing)

    assert sha256_of(study) == whole
    assert [event.round for event in study.log.read(RoundMade)] == [1, 2, 3]
    if at in ("open_sum", "checkpoint"):  # the list was written: nobody trains again
        assert post.asked["train"] == 12


def test_a_hospital_that_is_back_gets_keys_again(summing: Path, tmp_path: Path) -> None:
    post = SummingPost(4)
    post.gone = {"h4"}
    post.run(tmp_path / "run", summing, stop=lambda said: said[-1].startswith("round 1 of"))
    post.gone = set()
    study = post.run(tmp_path / "run", summing)

    in_sums = [e.pooled.n_sites for e in study.log.read(RoundMade) if e.pooled]
    assert in_sums[0] == 3
    finished = study.log.read(Finished)[-1]
    assert set(finished.sites) == {"h1", "h2", "h3", "h4"}


def test_a_sum_that_cannot_be_changes_nothing_and_the_study_goes_on(
    summing: Path, tmp_path: Path
) -> None:
    post = SummingPost(4)
    like = {name: torch.zeros(t.shape) for name, t in _start_of(summing, tmp_path).items()}
    huge = {name: torch.full(t.shape, 0.9) for name, t in like.items()}
    wrong = update_of("h1", 1, like)
    post.wrong = {site: replace_update(wrong, huge) for site in post.sites}
    study = post.run(tmp_path / "run", summing, stop=lambda said: said[-1].startswith("round 1 of"))

    (made,) = study.log.read(RoundMade)
    assert "too large" in made.void
    assert made.pooled is None
    assert all((weights_of(study)[n] == t).all() for n, t in _start(study).items())
    post.wrong = {}
    assert post.run(tmp_path / "run", summing).log.read(Finished)


def replace_update(result: object, update: Weights) -> "object":
    from dataclasses import replace

    return replace(result, update=update)  # type: ignore[type-var]


def _start_of(plan: Path, tmp_path: Path) -> Weights:
    from medfl_client.task.session import shapes_of
    from medfl_common.models import build_model
    from medfl_common.plan.plan import load_plan

    shapes = shapes_of(build_model(load_plan(plan)), "shared")
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def test_nothing_at_the_coordinator_depends_on_one_hospital_alone(
    summing: Path, tmp_path: Path
) -> None:
    """Study 15: one update is replaced, and another by what keeps the sum."""
    posts = [SummingPost(4), SummingPost(4)]
    like = _start_of(summing, tmp_path)
    one, two = update_of("h1", 1, like), update_of("h1", 1, like)
    assert one.update is not None
    zeros = {name: torch.zeros_like(t) for name, t in one.update.items()}
    unit = {name: torch.full_like(t, 0.25) for name, t in one.update.items()}
    minus = {name: -t for name, t in unit.items()}
    studies = []
    for post, (a, b) in zip(posts, ((unit, minus), (minus, unit)), strict=True):
        post.wrong = {"h1": replace_update(one, a), "h2": replace_update(two, b)}  # type: ignore[dict-item]
        post.wrong |= {site: replace_update(two, zeros) for site in ("h3", "h4")}  # type: ignore[dict-item]
        studies.append(post.run(tmp_path / f"run-{len(studies)}", summing))

    left, right = studies
    assert sha256_of(left) == sha256_of(right)
    facts = [[e.pooled.facts for e in s.log.read(RoundMade) if e.pooled] for s in studies]
    assert facts[0] == facts[1]
    assert RunFolder(left.folder).masked_total.exists()
    seen = [
        reply.array_records["masked"]["flat"].numpy()
        for post in posts for reply in post.received if "masked" in reply
    ]  # fmt: skip
    for vector in seen:
        counts = torch.bincount(torch.from_numpy(vector.view("uint8").copy()).long(), minlength=256)
        expected = counts.sum() / 256
        chi_square = float(((counts - expected) ** 2 / expected).sum())
        assert chi_square < 255 + 6 * (2 * 255) ** 0.5  # uniformly random bytes
