"""What a study's model does, what it gives, and what limits it, in words."""

from collections.abc import Mapping

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Finished
from medfl_server.reports.sections.independence import whose_images


def what_it_does(plan: Plan) -> str:
    """Say which network does what in which images."""
    return f"A {plan.model.called} that {task_in_words(plan)}."


def task_in_words(plan: Plan) -> str:
    """Say what a model of the plan does in which images, without its name."""
    images = "volumes" if plan.images.dimensions == 3 else "images"
    classes = ", ".join(plan.task.classes)
    kinds = {
        "binary": f"tells {plan.task.classes[-1]} from {plan.task.classes[0]}",
        "multiclass": f"sorts into {classes}",
        "ordinal": f"grades from least to most: {classes}",
        "multilabel": f"finds {classes}",
        "segmentation": f"outlines {', '.join(plan.task.foreground)}",
        "detection": f"finds and boxes {classes}",
    }
    return f"{kinds[plan.task.type]} in {'/'.join(plan.images.modality)} {images}"


def output_of(plan: Plan) -> str:
    """Say what the model gives for an image."""
    classes = ", ".join(plan.task.classes)
    if plan.task.has_boxes:
        return f"boxes of {classes}, each with a confidence of 0 to 1"
    return f"a probability for each of {classes}{' in each pixel or voxel' * plan.task.has_masks}"


def limits(event: Finished, part: str, counted: Mapping[str, ScoreCounts]) -> list[str]:
    """Say what the scores of a final model do not show.

    Args:
        event: The end of the study.
        part: Of the data, that the scores are of.
        counted: The sites' counts that they come from.
    """
    texts = [
        f"The scores come from {part} patients of the hospitals that trained it: at another "
        "one the model may be worse. Validate it there first, on patients of that hospital.",
        f"{whose_images(counted)} Groups with too few patients at a site are left out, "
        "which does not mean that the model is good for them.",
    ]
    if part == "validation" and (event.choice is None or event.choice.is_best):
        texts.append(
            "The images that score the model also chose its round: it looks slightly too good."
        )
    return texts
