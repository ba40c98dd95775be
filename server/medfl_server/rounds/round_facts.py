"""What the run log and the checkpoint keep of a round, and the line that tells of it."""

from collections.abc import Mapping

from medfl_common.files import Json
from medfl_common.metrics.counts import ScoreCounts, merge, scores
from medfl_server.rounds.outcome import Answered, Replies


def facts_of_round(
    round_: int, replies: Replies, compared: Mapping[str, Mapping[str, Json]] | None = None
) -> dict[str, Json]:
    """Give all about a round that the log keeps; scores are those of the weights before it.

    Args:
        round_: The round.
        replies: Who answered what, who did not and why.
        compared: What is known of each site's update beside the others'; see stand_out.
    """
    return {
        "round": round_,
        "seconds": round(replies.seconds, 3),
        "sites": {
            site: {**_site_facts(answered, round_), **(compared or {}).get(site, {})}
            for site, answered in replies.answered.items()
        },
        "missing": {**replies.missing},
    }


def _site_facts(answered: Answered, round_: int) -> dict[str, Json]:
    result = answered.result
    facts: dict[str, Json] = {
        "n_images": result.n_images,
        "n_steps": result.n_steps,
        "train_loss": result.train_loss,
        "seconds": result.seconds,
        "bytes_received": answered.bytes_received,
        "bytes_sent": answered.bytes_sent,
        "sha256": answered.sha256,
    }
    if result.round != round_:  # asynchronous: what it was asked for
        facts["for_round"] = result.round
    if result.score_counts is not None:
        facts["tally"] = _score_count_facts(result.score_counts)
        facts["exact_auc"] = result.exact_auc
    if result.groups:
        facts["groups"] = {
            kind: [_score_count_facts(score_counts) for score_counts in score_counts]
            for kind, score_counts in result.groups.items()
        }
    return facts


def _score_count_facts(score_counts: ScoreCounts) -> dict[str, Json]:
    """Give what the log keeps of score counts."""
    return {
        "n": score_counts.n,
        "loss": score_counts.loss,
        "confusion": score_counts.confusion.tolist(),
        "positive": score_counts.positive.tolist(),
        "negative": score_counts.negative.tolist(),
    }


def summary(replies: Replies) -> str:
    """Say in one line what a round gave."""
    if not replies.answered and not replies.missing:
        return "no site had to be asked"
    score_counts: list[ScoreCounts] = [
        a.result.score_counts for a in replies.answered.values() if a.result.score_counts
    ]
    parts = [f"{len(replies.answered)} sites in {replies.seconds:.1f} s"]
    trained = [a.result for a in replies.answered.values() if a.result.n_images]
    if trained:
        n = sum(result.n_images for result in trained)
        loss = sum(result.train_loss * result.n_images for result in trained) / n
        parts.append(f"training loss {loss:.3f} over {n} images")
    if score_counts:
        merged = merge(score_counts)
        area = scores(merged)["auc"]
        shown = "n/a" if area is None else f"{area:.3f}"
        which = "model before it: " if trained else ""
        parts.append(f"{which}loss {merged.loss:.3f}, AUC {shown} on {merged.n} validation images")
    if replies.missing:
        parts.append(f"missing: {', '.join(replies.missing)}")
    return "; ".join(parts)
