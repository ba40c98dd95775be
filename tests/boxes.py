"""A small detection: its plan, random boxes in images, and their counts."""

import numpy as np
import yaml

from medfl_client.training.box_scores import as_found, match_image
from medfl_client.training.detections import Found
from medfl_common.metrics.box_counts import UNKNOWN, BoxCounts, FoundBoxes, count_found
from medfl_common.plan.plan import Plan

PLAN = """\
plan: 1
study: nodules
seed: 3
task: {type: detection, classes: [nodule, mass]}
images: {modality: [CR, DX], size: 64}
model: {name: MODEL, norm: group}
training: {lr: 0.01, batch_size: 4}
federation: {rounds: 3, deadline_s: 60}
evaluation: {validation: 0.25}
"""


def box_plan(network: str = "small_cnn", /, **sections: dict[str, object]) -> Plan:
    """Give the small plan, changed."""
    values = yaml.safe_load(PLAN.replace("MODEL", network))
    for section, changes in sections.items():
        values[section] = {**values.get(section, {}), **changes}
    return Plan.model_validate(values)


def found_of(scores: list[float], boxes: list[list[float]], kind: int = 0) -> Found:
    """Give what is found in an image, of one class."""
    n = len(scores)
    return Found(np.full(n, kind), np.float32(scores), np.float32(boxes).reshape(n, -1))


def drawn_image(
    rng: np.random.Generator, skill: float = 0.8, d: int = 2, n_classes: int = 2
) -> tuple[Found, np.ndarray]:
    """Draw true boxes of some classes, and found ones: of the truth by skill, and by chance."""
    truths, classes, scores, boxes = [], [], [], []
    for k in range(n_classes):
        for _ in range(rng.integers(0, 4)):
            box = [*rng.uniform(10, 54, d), *rng.uniform(6, 14, d)]
            truths.append([k, *box])
            for _ in range(rng.integers(1, 3) if rng.random() < skill else 0):
                classes.append(k)
                scores.append(rng.beta(4, 3))
                boxes.append(np.array(box) + rng.normal(0, 1.2, 2 * d))
        for _ in range(rng.poisson(3)):
            classes.append(k)
            scores.append(rng.beta(2, 5))
            boxes.append(np.array([*rng.uniform(4, 60, d), *rng.uniform(4, 14, d)]))
    order = np.argsort(-np.array(scores), kind="stable")
    found = Found(
        np.array(classes, dtype=np.int64)[order],
        np.array(scores, dtype=np.float32)[order],
        np.array(boxes, dtype=np.float32).reshape(-1, 2 * d)[order],
    )
    return found, np.array(truths, dtype=np.float64).reshape(-1, 1 + 2 * d)


def drawn_boxes(n: int, seed: int = 0, skill: float = 0.8, plan: Plan | None = None) -> FoundBoxes:
    """Match drawn images."""
    rng, plan = np.random.default_rng(seed), plan or box_plan()
    n_classes, rows, truths = len(plan.task.foreground), [], []
    for i in range(n):
        found, true = drawn_image(rng, skill, plan.images.dimensions, n_classes)
        rows.append(match_image(found, true, i))
        truths.append(np.bincount(true[:, 0].astype(int), minlength=n_classes))
    return as_found(rows, truths, plan)


def some_boxes(n: int, seed: int = 0, skill: float = 0.8, loss: float = 0.5) -> BoxCounts:
    """Count the boxes of drawn images."""
    return count_found(drawn_boxes(n, seed, skill), loss)


def hits_only(n_with: int, n_without: int, per_image: dict[int, int] | None = None) -> BoxCounts:
    """Count images with one true box each of both classes, all found, and false ones in some."""
    rows = [[i, k, 90, 0, 0] for i in range(n_with) for k in range(2)]
    for image, n_extra in (per_image or {}).items():
        rows += [[image, 0, 70, 1, 1]] * n_extra
    truths = [np.full(2, int(i < n_with)) for i in range(n_with + n_without)]
    found = as_found([np.array(rows).reshape(-1, 5)], truths, box_plan())
    assert UNKNOWN not in found.truths
    return count_found(found, 0.5)
