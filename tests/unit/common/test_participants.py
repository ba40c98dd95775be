"""Participant flow: what leaves tells of no few, by no subtraction, and reads back as it was."""

from dataclasses import replace

import numpy as np
import pytest
from flwr.app import MetricRecord
from numpy.typing import NDArray
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError, RunError
from medfl_common.metrics.few_participants import suppressed_participants
from medfl_common.metrics.participants import (
    MAKERS,
    REASONS,
    VIEWS,
    Participants,
    maker_place,
    n_rows,
    participants_from_json,
    participants_to_json,
    view_place,
)
from medfl_common.metrics.site_statistics import (
    SEXES,
    SiteStatistics,
    lengths,
    suppress,
    suppressed,
)
from medfl_common.plan.plan import load_plan
from medfl_common.plan.task import Task
from medfl_common.run.site_reply import SiteReply
from medfl_common.wire.participant_numbers import participant_numbers, read_participants

BINARY = Task(type="binary", classes=["normal", "opacity"])
CELL = 10


def flow(reasons: dict[str, tuple[int, int]] | None = None, **changes: object) -> Participants:
    """Give the flow of a site of 100 images; reasons: code -> (files, patients)."""
    given = reasons or {}
    zeros = {name: ((0, 0, 0),) * n for name, n in n_rows(2).items()}
    own = Participants(
        files=100, found_patients=90,
        reasons=tuple(given.get(code, (0, 0))[0] for code in REASONS),
        reason_patients=tuple(given.get(code, (0, 0))[1] for code in REASONS),
        images=(60, 20, 20), patients=(50, 20, 20), **zeros,
    )  # fmt: skip
    return replace(own, **changes)  # type: ignore[arg-type]


def whole(**changes: object) -> SiteStatistics:
    counts = SiteStatistics(100, 90, 0, **{name: (0,) * n for name, n in lengths(2).items()})
    return replace(counts, **changes)  # type: ignore[arg-type]


def told(own: Participants, at_site: SiteStatistics | None = None) -> Participants:
    return suppressed_participants(own, at_site or whole(), CELL, BINARY)


def reasons_of(own: Participants) -> dict[str, int]:
    return {code: n for code, n in zip(REASONS, own.reasons, strict=True) if n}


def test_a_reason_of_few_patients_stays_and_so_does_one_that_would_tell_it() -> None:
    one_series = flow({"series": (200, 1), "no_label": (30, 12), "modality": (50, 40)})
    assert reasons_of(told(one_series)) == {"modality": 50}  # 230 more are of two reasons

    assert reasons_of(told(flow({"no_label": (30, 12)}))) == {"no_label": 30}
    assert reasons_of(told(flow({"unreadable": (9, 0)}))) == {}
    assert reasons_of(told(flow({"unreadable": (10, 0)}))) == {"unreadable": 10}
    passed = flow({"copy": (3, 3), "no_image": (20, 0), "no_label": (30, 12)})
    assert reasons_of(told(passed)) == {"no_image": 20, "no_label": 30}  # nobody knows their sum


def test_patients_that_few_lack_and_parts_of_few_stay() -> None:
    assert told(flow(found_patients=95)).found_patients == 0  # 95 - 90 is 5
    assert told(flow(found_patients=100)).found_patients == 100
    assert told(flow(found_patients=90)).found_patients == 90

    by_one = {"modality": (24, 12)}  # of 12 patients 10 take no part: 2 do all the same
    assert told(flow(by_one, found_patients=100)).found_patients == 0
    assert told(flow(by_one, found_patients=90)).found_patients == 90

    few = told(flow(images=(80, 15, 5), patients=(70, 15, 5)))
    assert (few.images, few.patients) == ((0, 0, 0), (0, 0, 0))
    of_few = told(flow(patients=(75, 10, 5)))
    assert (of_few.images, of_few.patients) == ((60, 20, 20), (0, 0, 0))


def test_a_category_is_told_in_all_parts_or_in_none_and_the_rest_is_none_or_a_cell() -> None:
    sexes = ((40, 10, 20), (20, 10, 0), (0, 0, 0))
    at_site = whole(sexes=(70, 30, 0))
    assert told(flow(sexes=sexes), at_site).sexes == sexes

    sexes = ((40, 13, 11), (17, 7, 9), (3, 0, 0))
    at_site = whole(sexes=suppress((64, 33, 3), CELL, 100))
    assert at_site.sexes == (64, 0, 0)
    assert told(flow(sexes=sexes), at_site).sexes == ((0, 0, 0),) * 3  # 7 and 9 would be told


def random_rows(rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw images of four categories in three parts, many of them few."""
    return rng.integers(0, rng.choice([6, 14, 40], (4, 3)) + 1)


def test_no_few_can_be_narrowed_down_with_all_that_is_told() -> None:
    """An independent solver looks for the least and the most that each hidden cell can be."""
    from scipy.optimize import linprog

    n_hidden = 0
    for seed in range(60):
        rows = random_rows(np.random.default_rng(seed))
        images = tuple(rows.sum(axis=0).tolist())
        of_site = suppress(tuple(rows.sum(axis=1).tolist()), CELL, int(rows.sum()))
        own = flow(images=images, patients=images, views=tuple(map(tuple, rows.tolist())))
        own = replace(own, sexes=tuple(map(tuple, rows.tolist())))
        out = told(own, whole(samples=sum(images), patients=sum(images), sexes=of_site))
        if not any(out.images):
            continue
        equations, totals = [], []
        for part in range(3):
            equations.append([float(j % 3 == part) for j in range(12)])
            totals.append(images[part])
        for i in range(4):
            if of_site[i]:
                equations.append([float(j // 3 == i) for j in range(12)])
                totals.append(of_site[i])
            for part in range(3) if any(out.sexes[i]) else ():
                equations.append([float(j == 3 * i + part) for j in range(12)])
                totals.append(out.sexes[i][part])
        for j, n in enumerate(rows.ravel().tolist()):
            if 0 < n < CELL:
                unit = [float(k == j) for k in range(12)]
                least = linprog(unit, A_eq=equations, b_eq=totals).fun
                most = -linprog([-u for u in unit], A_eq=equations, b_eq=totals).fun
                assert most - least >= CELL - 1e-6, (seed, j)
                n_hidden += 1
    assert n_hidden > 50


def test_a_finding_that_an_image_may_have_beside_others_is_told_with_those_without() -> None:
    several = Task(type="multilabel", classes=["edema", "effusion"])
    classes = ((30, 10, 10), (55, 10, 10))  # 5 training images are without effusion
    at_site = whole(classes=(50, 75))
    assert suppressed(at_site, CELL, several).classes == (50, 75)

    out = suppressed_participants(flow(classes=classes), at_site, CELL, several)

    assert out.classes == ((30, 10, 10), (0, 0, 0))


def test_a_flow_reads_back_from_message_and_log_and_an_earlier_one_has_none(
    make_plan: MakePlan,
) -> None:
    asks = load_plan(make_plan(federation={"statistics": True, "participants": True}))
    silent = load_plan(make_plan("silent.yaml", federation={"statistics": True}))
    own = flow({"no_label": (30, 12)}, sexes=((40, 10, 20), (20, 10, 0), (0, 0, 0)))
    numbers = MetricRecord({**participant_numbers(own)})

    assert read_participants(numbers, asks) == own
    assert read_participants(numbers, silent) is None
    assert read_participants(MetricRecord({"round": 0}), asks) is None
    numbers["flow_sexes"] = [1, 2]
    with pytest.raises(RunError, match="flow_sexes is not a list of 9"):
        read_participants(numbers, asks)

    assert participants_from_json(participants_to_json(own)) == own
    logged = SiteReply.of_statistics(whole(), 1, 1, own)
    assert (logged.participants, logged.statistics) == (own, whole())
    assert SiteReply.of_statistics(whole(), 1, 1).participants is None


def test_a_plan_asks_for_a_flow_only_with_statistics_which_noise_and_sums_have_not(
    make_plan: MakePlan,
) -> None:
    both = {"statistics": True, "participants": True}
    plain = load_plan(make_plan("plain.yaml", federation={"statistics": True}))
    assert load_plan(make_plan(federation=both)).hash() != plain.hash()
    assert "participants" not in plain.canonical()  # so earlier plans keep their hash
    with pytest.raises(ConfigError, match=r"needs federation\.statistics: true"):
        load_plan(make_plan(federation={"participants": True}))
    summed = make_plan(federation=both, privacy={"secure_sum": {}}, evaluation={"keep": "last"})
    with pytest.raises(ConfigError, match=r"exact counts; with privacy\.secure_sum leave them out"):
        load_plan(summed)


def test_views_and_makers_are_of_a_fixed_list() -> None:
    written = ("GE MEDICAL SYSTEMS", " siemens healthineers ", "Acme")
    assert [maker_place(text) for text in written] == [0, 1, len(MAKERS) - 1]
    assert (view_place("AP"), view_place("Doe^Jane")) == (1, len(VIEWS) - 1)
    assert len(SEXES) == 3
