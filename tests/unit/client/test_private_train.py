"""Private training at a site: draws, noise and keys that no other patient changes."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import MakePlan
from tests.noisy import NOISE, noisy

from medfl_client.data.dataset import ImageSet, SiteData
from medfl_client.data.steady_split import steady_split
from medfl_client.egress.account import Cost
from medfl_client.training.draw_units import Units, units_of
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.private_round import NoiseAtSite, work_with_noise
from medfl_client.training.private_train import (
    Draws,
    changed,
    coins,
    question_key,
    rounded_,
    train_privately,
)
from medfl_common.errors import ConfigError, DataError
from medfl_common.models import build_model
from medfl_common.models.weights import Weights, shared_weights
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.privacy import Noise
from medfl_common.privacy.random_stream import SecretStream
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask

CPU = torch.device("cpu")
KEY = bytes(range(32))
EVERY = Noise.model_validate(NOISE)


@pytest.fixture
def plan(make_plan: MakePlan) -> Plan:
    return load_plan(make_plan(**noisy()))


def patients(n: int, without: int | None = None) -> SiteData:
    """Give a site of so many patients with 1 to 3 images each, or of one patient fewer."""
    rng = np.random.default_rng(0)
    owners = np.concatenate([[i] * (1 + i % 3) for i in range(n)])
    pixels = rng.integers(0, 255, (len(owners), 1, 24, 24)).astype(np.uint8)
    rows = np.flatnonzero(owners != without)
    targets = torch.from_numpy((owners[rows] % 2).astype(np.float32))[:, None]
    train, none = ImageSet(pixels, rows, targets), ImageSet(pixels, rows[:0], targets[:0])
    names = [f"{i:032x}" for i in range(n)]
    whose = {"train": owners[rows], "validation": rows[:0], "test": rows[:0]}
    return SiteData(train, none, none, patients=whose, pseudonyms=names)


def ask(
    plan: Plan, data: SiteData, round_: int = 1, weights: Weights | None = None, secret: bytes = KEY
) -> TrainResult:
    model = build_model(plan)
    task = TrainTask("train", "0" * 32, round_, 0, "a", plan, weights or shared_weights(model))
    at_site = NoiseAtSite(secret, None, lambda question, cost: None)
    return work_with_noise(task, model, data, CPU, at_site)


def flat(result: TrainResult) -> torch.Tensor:
    return torch.cat([t.flatten() for t in (result.update or {}).values()])


def test_every_patient_is_drawn_by_the_chance_and_each_step_is_new() -> None:
    noise = EVERY.model_copy(update={"steps": 400, "draw": 20})
    units = Units(tuple(f"p{i}" for i in range(100)), tuple(np.array([i]) for i in range(100)), "")

    drawn = coins(Draws(KEY, 100), units, noise)

    sizes = drawn.sum(axis=1)
    assert abs(sizes.mean() - 20) < 4 * np.sqrt(16 / 400)
    assert abs(sizes.var() / 16 - 1) < 0.3  # binomial: 100 x 0.2 x 0.8
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02
    assert abs(drawn.mean(axis=0) - 0.2).max() < 5 * np.sqrt(0.16 / 400)


def test_one_patient_less_leaves_split_draws_and_changes_of_all_others(plan: Plan) -> None:
    names = {f"{i:032x}": None for i in range(60)}
    lacking = {name: None for name in names if name != f"{7:032x}"}
    split, other_split = steady_split(KEY, names, plan), steady_split(KEY, lacking, plan)
    assert {name: split[name] for name in lacking} == other_split
    assert set(split.values()) == {"train", "validation", "test"}

    units, fewer = (units_of(patients(60, gone), "train", plan) for gone in (None, 7))
    drawn, other = (coins(Draws(KEY, 60), one, EVERY) for one in (units, fewer))
    kept = [units.names.index(name) for name in fewer.names]

    assert len(fewer) == len(units) - 1
    assert np.array_equal(drawn[:, kept], other)
    assert units.digest != fewer.digest  # so another question, with another key


def test_a_step_is_the_clipped_sum_and_the_noise_over_the_draw(make_plan: MakePlan) -> None:
    sections = noisy(draw=12, least_patients=12, steps=1, multiplier=3.0, clip=0.01)
    training = {"lr": 1.0, "momentum": 0.0}
    plan, data = load_plan(make_plan(training=training, **sections)), patients(20)
    units, model = units_of(data, "train", plan), build_model(plan)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}

    train_privately(model, data.train, units, plan, 1, Plain(), CPU, Draws(KEY, 12))

    stream = SecretStream(KEY, "noise", 0)
    for name, parameter in model.named_parameters():
        noise = torch.from_numpy(stream.normal(parameter.numel()) * 0.03).reshape(parameter.shape)
        gradient = (before[name] - parameter.detach()) * 12
        off = (gradient - noise).norm()
        assert off < 20 * 0.01 + 1e-3 * noise.norm(), name  # all 20 patients, clipped


def test_the_sum_is_rounded_to_a_part_of_the_noise() -> None:
    values = torch.randn(100, dtype=torch.float64) * 1.2

    found = rounded_(values.clone(), 1.2)

    assert torch.equal(found * 4096, (found * 4096).round())
    assert (found - values).abs().max() <= 2**-13


def test_the_same_question_has_the_same_bits_and_any_other_has_other_noise(plan: Plan) -> None:
    data, model = patients(20), build_model(plan)
    moved = {name: tensor + 1e-6 for name, tensor in shared_weights(model).items()}
    first = flat(ask(plan, data))

    assert torch.equal(first, flat(ask(plan, data)))
    others = [
        ask(plan, data, round_=2),
        ask(plan, data, weights=moved),
        ask(plan, patients(20, without=3)),
        ask(plan, data, secret=bytes(32)),
    ]
    found = [first, *map(flat, others)]
    for one, other in pairwise(found):  # other noise everywhere, not a difference in a few places
        assert abs(np.corrcoef(one.numpy(), other.numpy())[0, 1]) < 0.5
        assert (one != other).float().mean() > 0.9


def test_keys_of_questions_differ_in_each_part(make_plan: MakePlan) -> None:
    one, two = (load_plan(make_plan(f"{n}.yaml", **noisy(steps=n))) for n in (1, 2))
    questions = [
        (one, "train", 1, "w", "d"), (two, "train", 1, "w", "d"), (one, "test", 1, "w", "d"),
        (one, "train", 2, "w", "d"), (one, "train", 1, "v", "d"), (one, "train", 1, "w", "e"),
    ]  # fmt: skip

    keys = {question_key(KEY, *question) for question in questions}

    assert len(keys) == len(questions)


def test_what_is_told_of_a_round_is_declared_and_charged_first(plan: Plan) -> None:
    asked: list[tuple[str, Cost]] = []
    model = build_model(plan)
    task = TrainTask("train", "0" * 32, 1, 0, "a", plan, shared_weights(model))
    at_site = NoiseAtSite(KEY, 16, lambda question, cost: asked.append((question, cost)))

    result = work_with_noise(task, model, patients(23), CPU, at_site)

    assert (result.n_images, result.n_steps, result.train_loss) == (16, 3, 0.0)
    assert result.seconds > 0
    assert result.seconds % 10 == 0
    assert not result.is_scored
    assert [cost for _, cost in asked] == [Cost("trained", 4 / 16, 1.2, 3)]


def test_too_few_patients_or_too_few_declared_take_no_part_and_pay_nothing(plan: Plan) -> None:
    def never(question: str, cost: Cost) -> None:
        raise AssertionError("charged")

    model = build_model(plan)
    task = TrainTask("train", "0" * 32, 1, 0, "a", plan, shared_weights(model))
    for n, declared, said in ((7, None, "7 patients to train on"), (20, 7, "data.patients: 7")):
        with pytest.raises(DataError, match=said):
            work_with_noise(task, model, patients(n), CPU, NoiseAtSite(KEY, declared, never))


def test_per_image_each_image_is_drawn_alone(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan(**noisy(per="image")))

    units = units_of(patients(6), "train", plan)

    assert len(units) == 1 + 2 + 3 + 1 + 2 + 3
    assert {len(places) for places in units.places} == {1}
    assert len(set(units.names)) == 12


def test_augmentation_of_a_patient_does_not_depend_on_who_else_is_drawn(
    make_plan: MakePlan,
) -> None:
    training = {"augmentation": {"flip": True, "rotation_deg": 20}}
    plan = load_plan(make_plan(training=training, **noisy(steps=1)))
    data = patients(20)
    units = units_of(data, "train", plan)
    order = torch.from_numpy(np.concatenate(units.places))
    every, _ = next(iter(data.train.batches(order, len(order))))
    sizes = [(name, len(own)) for name, own in zip(units.names, units.places, strict=True)]

    together = changed(every, sizes, plan, KEY, 0)
    (_, n), *_ = sizes[2:]
    alone = changed(every[3 : 3 + n], sizes[2:3], plan, KEY, 0)

    assert torch.equal(together[3 : 3 + n], alone)
    assert not torch.equal(together, every)


def test_a_site_that_does_not_know_its_patients_is_refused(plan: Plan, tmp_path: Path) -> None:
    data = replace(patients(20), pseudonyms=())

    with pytest.raises(ConfigError, match="whose each image is"):
        units_of(data, "train", plan)
