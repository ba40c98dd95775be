"""The algorithms that a plan can name, and the formats of its messages."""

import importlib

import numpy as np
from tools.reference.keys import key_table
from tools.reference.markdown import anchor, code, first_words, page, table

from medfl_common.plan.algorithms import ALGORITHMS, PLAIN, Algorithm
from medfl_common.plan.federation import Messages
from medfl_common.wire.codecs import CODECS

INTRO = """`federation.strategy` of a plan names the algorithm, and both halves follow from it: how
the coordinator joins updates, and what changes in the training at a site. `training.objective`
puts the half of another algorithm at the sites. What is kept at a site never leaves it."""
HEADER = ("strategy", "what it does", "its keys in `federation`", "kept at the site")
MESSAGES = """## Message formats

`federation.messages.update` is one of these, or `float32` with 4 bytes a weight. What `int8`
and `top_k` leave out stays at the site and is added to its next update. BatchNorm's running
statistics always travel whole."""
N = 1_000_000  # weights of a message that is measured


def names() -> list[str]:
    """List what a plan may name."""
    return ALGORITHMS.names()


def algorithms() -> str:
    """Give the page."""
    found = [ALGORITHMS.get(name) for name in names()]
    blocks = [table(HEADER, [_row(one) for one in found])]
    for one in found:
        blocks += _section(one)
    formats = table(
        ("format", "what it does", "bytes a weight, with the default `top`"),
        [*map(_format, CODECS.names())],
    )
    return page("Algorithms", INTRO, *blocks, MESSAGES, formats)


def _paragraphs(algorithm: Algorithm) -> list[str]:
    module = importlib.import_module(f"{ALGORITHMS.package}.{algorithm.name}")
    return (module.__doc__ or "").strip().split("\n\n")


def _row(algorithm: Algorithm) -> list[str]:
    options = [f"options.{key}" for key in algorithm.options.model_fields]
    keys = ", ".join(map(code, [*algorithm.settings, *options]))
    layers = f"the {algorithm.local_layers} layers" if algorithm.local_layers else ""
    kept = ", ".join(filter(None, [layers, algorithm.kept_at_site]))
    name = f"[{algorithm.name}](#{anchor(algorithm.name)})"
    return [name, _paragraphs(algorithm)[0], keys, kept or "nothing"]


def _section(algorithm: Algorithm) -> list[str]:
    _, source, *formulas = _paragraphs(algorithm)
    blocks = [f"## {algorithm.name}", source, *(f"```text\n{text}\n```" for text in formulas)]
    blocks.append(f"{_halves(algorithm)} {' '.join(_needs(algorithm))}".strip())
    if algorithm.options.model_fields:
        blocks.append(key_table(algorithm.options, ""))
    return blocks


def _halves(algorithm: Algorithm) -> str:
    objective = "plain training" if algorithm.objective == PLAIN else code(algorithm.objective)
    return f"At the coordinator: {code(algorithm.strategy)}. At the sites: {objective}."


def _needs(algorithm: Algorithm) -> list[str]:
    words = {
        "The halves go together only.": algorithm.is_paired,
        "It needs `training.optimizer: sgd`.": algorithm.needs_sgd,
        "It needs a trained backbone, so no `model.freeze: all`.": algorithm.needs_images,
        "A site also sends the loss of the round's weights, so its policy must let `train_loss` "
        "out.": algorithm.needs_start_loss,
        "What the coordinator keeps goes to the sites with the weights.": algorithm.sends_state,
        "It says itself which sites a round asks, so no `sites_per_round` and no `early_stop`.": (
            algorithm.chooses_sites
        ),
    }
    return [sentence for sentence, holds in words.items() if holds]


def _format(name: str) -> list[str]:
    make = CODECS.get(name)
    arrays = make(Messages()).layout([N]).values()
    n_bytes = sum(np.dtype(kind).itemsize * n for kind, n in arrays)
    return [code(name), first_words(make), f"{n_bytes / N:.3g}"]
