"""`policy.model_step`: weights do not jump between two questions."""

from dataclasses import replace

from tests.unit.client.test_questions import Coordinator, ask, coordinator, decisions  # noqa: F401

from medfl_common.models.weights import Weights, norm


def moved(ask: Coordinator, times: float, update: float) -> Weights:  # noqa: F811
    """Move the start by so many times the norm of an update."""
    step = times * update / norm({n: t * 0 + 1 for n, t in ask.start.items()})
    return ask.moved(step)


def test_weights_that_jump_are_refused_and_a_site_that_slept_allows_more(
    ask: Coordinator,  # noqa: F811
) -> None:
    policy = ask.site.policy.model_copy(update={"model_step": 2.0})
    ask.site = replace(ask.site, policy=policy)
    update = ask.ask("train", 1).array_records["update"]["flat"].numpy()
    own = float((update.astype(float) ** 2).sum() ** 0.5)

    assert ask.code("train", 2, moved(ask, 2.1, own)) == 440
    assert ask.code("train", 3, moved(ask, 3.9, own)) == 0  # two rounds on
    assert ask.code("evaluate", 3, moved(ask, 9.0, own)) == 440
    assert ask.code("evaluate", 3, moved(ask, 5.5, own)) == 0

    assert "policy P16, model_step" in " ".join(ask.said)
    assert decisions(ask).count("refused: P16") == 2
