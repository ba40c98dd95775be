import math

import pytest
import torch

from medfl_server.aggregation.outliers import BUDGET, SAMPLE, Comparison, sample


def test_a_site_is_compared_with_the_mean_of_the_others() -> None:
    found = Comparison()
    for site, values in {"a": [3.0, 4.0], "b": [1.0, 0.0], "c": [1.0, 2.0]}.items():
        found.add(site, {"w": torch.tensor(values)}, math.hypot(*values))

    told = found.result()

    assert told["a"] == {"norm": 5.0, "cosine": pytest.approx((3 + 4) / 5 / 2**0.5)}
    assert told["b"]["cosine"] == pytest.approx(4 / (16 + 36) ** 0.5)  # others: (4, 6)


def test_alone_or_without_a_change_there_is_no_direction() -> None:
    one = Comparison()
    one.add("a", {"w": torch.ones(3)}, 3**0.5)
    assert one.result() == {"a": {"norm": pytest.approx(3**0.5), "cosine": None}}

    one.add("b", {"w": torch.zeros(3)}, 0.0)
    assert [facts["cosine"] for facts in one.result().values()] == [None, None]


def test_the_sample_is_evenly_spaced_over_tensors_in_alphabetical_order() -> None:
    flat = torch.arange(250_000.0)
    parts = {
        "c": flat[100_007:],
        "a": flat[:7].reshape(7, 1),
        "b": flat[7:100_007].reshape(500, -1),
    }

    taken = sample(parts)

    assert taken.tolist() == flat[::3].tolist()
    assert len(taken) <= SAMPLE
    assert len(sample({"w": flat[:SAMPLE]})) == SAMPLE


def test_many_sites_are_compared_by_fewer_places_each_and_nearly_as_well() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(SAMPLE, generator=generator)
    found, total = Comparison(), torch.zeros(SAMPLE, dtype=torch.float64)
    updates = {}
    for number in range(120):
        update = common + torch.randn(SAMPLE, generator=generator)
        found.add(f"s{number}", {"w": update}, float(update.norm()))
        total += update
        updates[f"s{number}"] = update

    told = found.result()

    assert sum(map(len, found._samples.values())) <= BUDGET
    one = updates["s7"].double()
    others = total - one
    assert told["s7"]["cosine"] == pytest.approx(
        float(one @ others / one.norm() / others.norm()), abs=0.02
    )
