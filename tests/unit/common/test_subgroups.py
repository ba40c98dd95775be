import numpy as np

from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.metrics.subgroups import suppressed_groups


def group(negative: int, positive: int) -> ScoreCounts:
    curve = np.zeros((1, N_BINS), dtype=np.int64)
    cells = np.array([[negative, 0], [0, positive]])
    return ScoreCounts(negative + positive, 0.0, cells, curve, curve)


def kept(groups: list[ScoreCounts], min_cell: int = 5) -> list[int]:
    whole = group(*np.sum([np.diag(g.confusion) for g in groups], axis=0).tolist())
    return [t.n for t in suppressed_groups({"sex": groups}, whole, min_cell)["sex"]]


def test_large_groups_stay() -> None:
    assert kept([group(9, 6), group(20, 30)]) == [15, 50]


def test_a_small_group_goes_and_the_next_with_it_that_would_tell_it() -> None:
    assert kept([group(9, 6), group(20, 30), group(3, 1)]) == [0, 50, 0]
    assert kept([group(20, 30), group(3, 1)]) == [0, 0]


def test_a_group_of_one_class_tells_of_each_of_its_patients_and_goes() -> None:
    assert kept([group(0, 40), group(30, 30), group(20, 20)]) == [0, 60, 0]


def test_small_groups_that_are_large_together_cost_no_other_group() -> None:
    assert kept([group(3, 4), group(4, 3), group(20, 20)]) == [0, 0, 40]
