"""What a page says of the norms of updates that were summed."""

from medfl_common.run.events import RoundMade
from medfl_common.run.pooled_reply import PooledReply
from medfl_common.wire.pooled import N_NORM_BINS, norm_bin
from medfl_server.reports.sections.summed_norms import in_words, summed_norms_section


def histogram(*norms: float) -> list[int]:
    found = [norm_bin(norm) for norm in norms]
    return [found.count(place) for place in range(N_NORM_BINS)]


def made(round_: int, norms: list[int]) -> RoundMade:
    pooled = PooledReply.of(
        n_sites=sum(norms), n_images=100, n_steps=9, train_loss=0.5, n_clipped=0, norms=norms,
        norm=0.3, n_scoring=0, score_counts=None,
    )  # fmt: skip
    return RoundMade({"round": round_, "sites": {}, "pooled": pooled.facts})


def test_one_far_update_is_told_in_words_and_a_like_round_is_not() -> None:
    far, like = histogram(0.2, 0.2, 0.23, 0.15, 6.0), histogram(0.2, 0.3, 0.2, 0.4, 0.6)
    assert in_words(far) == "4 hospitals near 0.2, one near 6"

    section = summed_norms_section([made(1, like), made(2, far)])

    assert section.texts[0] == "Round 2: 4 hospitals near 0.2, one near 6."
    assert section.tables[0].rows == [["1", "2", "2", "1", "0"], ["2", "4", "0", "0", "1"]]


def test_where_none_is_far_the_page_says_so() -> None:
    section = summed_norms_section([made(1, histogram(0.2, 0.3, 0.6))])

    assert section.texts[0] == "In no round was an update far longer than the others."
