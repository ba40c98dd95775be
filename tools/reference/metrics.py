"""The scores of a report, with definition and range, and the metrics for Prometheus."""

import numpy as np
from tools.reference.markdown import code, page, table
from tools.reference.prometheus import tables

from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.metrics.estimates import estimates
from medfl_server.reports.sections.boxes import BOX_NAMES
from medfl_server.reports.sections.masks import NAMES as MASK_NAMES
from medfl_server.reports.sections.uncertainty import NAMES

HEADER = ("score", "name in the report", "definition", "range", "better")
INTRO = """Sites send counts, never predictions: a confusion matrix, and for each class a histogram
of 128 bins over the log-odds from -8 to 8. In the rounds 32 bins are used, and neighbours are
joined until each holds `policy.min_cell` images or none; they stand in the bin of their mean. All
scores follow from them, with the definitions of scikit-learn. Scores in one bin count as ties, and
the report says how far the AUC can be off by that. The AUC of the scores themselves stays at the
site, and losses leave with three digits. A value without images to stand on is `n/a`.

Binary and multilabel: an image is called positive at `evaluation.threshold` of the plan or above.
Binary: precision, recall, specificity and F1 are of the positive class. Multiclass and ordinal: the
mean over the classes, each against the rest. Multilabel: the mean over the findings."""
INTERVALS = """## Intervals

95 %. Accuracy, and for a binary task precision, recall and specificity: Wilson. The AUC of a binary
task: DeLong. All else: bootstrap of the counts.

Several images of a patient are alike, so intervals count patients: the design effect of a score
says how many times as large its variance is as if each image were of another patient. It divides
the counts of a share (Rao and Scott, Biometrics 48:577, 1992), multiplies DeLong's variance, which
is then that of Obuchowski (Biometrics 53:567, 1997), and widens the bootstrap by its root; few
patients count by Student's t (Korn and Graubard, Surv Methodol 24:193, 1998). It is at least 1.
Sites send it with the last scorings, in hundredths and with the number of patients; the coordinator
takes the mean over sites, weighted by images. From several images of fewer than 10 patients there
is no interval. A group of patients has that of the whole. In a round, and in the log of an earlier
version, no design effect is known: there intervals count images, and the page writes "or wider".
A secure sum has the mean of its hospitals, of scores of which each tells one."""
# Of each score: definition, range, which way is better.
SCORES = {
    "loss": ("mean of the task's loss over the images", "≥ 0", "low"),
    "auc": ("area under the ROC curve; ties count half; several classes: the mean of each against "
            "the rest", "0 to 1; chance 0.5", "high"),
    "pr_auc": ("average precision: mean of the precision at each positive image",
               "0 to 1; chance: share of positives", "high"),
    "accuracy": ("share of images whose predicted class is the true one", "0 to 1", "high"),
    "balanced_accuracy": ("mean over the classes of their recall", "0 to 1; chance 1 / classes",
                          "high"),
    "precision": ("of the images called positive, the share that is", "0 to 1", "high"),
    "recall": ("sensitivity: of the positive images, the share that is called", "0 to 1", "high"),
    "specificity": ("of the negative images, the share that is not called", "0 to 1", "high"),
    "f1": ("2 precision recall / (precision + recall)", "0 to 1", "high"),
    "kappa": ("agreement beyond chance (Cohen); ordinal: with quadratic weights",
              "-1 to 1; chance 0", "high"),
    "sensitivity_at_specificity": ("the best sensitivity at a specificity of at least "
                                   "`evaluation.specificity`", "0 to 1", "high"),
    "ece": ("expected calibration error: mean distance of predicted probability and observed "
            "share over ten groups of probability, weighted by images", "0 to 1", "low"),
    "brier": ("mean squared distance of probability and truth", "0 to 1", "low"),
}  # fmt: skip


MASKS = """## Segmentation

Sites send, for each class, sums and histograms over images, never a mask: 50 bins, 10 in the
rounds, each of `policy.min_cell` images or none. Means and deviations of Dice, NSD and
HD95 leave in thousandths, voxels with three digits. An image counts where its mask has the class;
unknown voxels of it are not of the class, as that was outlined. Over classes it is the unweighted
mean. The loss is the cross-entropy of the known voxels, whatever the plan trains on. A surface is
the voxels that lack a neighbour across a face, distances are in mm (in pixels unless the plan fixes
all spacings), both as in MONAI. Lesions are connected components, corners too."""
MASK_INTERVALS = """Intervals of a segmentation: means by Student's t, with the
deviation of the images that leaves beside them; medians by images drawn anew from the bins
(bootstrap), half a bin wider; shares of lesions and of images without the class: Wilson. A median
is n/a where fewer than 5 bins have images, unless these are nearly alike; a mean of fewer than 4
images has no interval. The mean over classes has the mean of their intervals. With the last
scorings a site sends the patients with each class and the design effects of Dice, NSD, HD95, volume
difference, lesions found and false alarms, rounded up to one of the 13 steps below, so intervals
are somewhat too wide; a median has that of its mean: as many images are drawn as tell as much. From
several images of fewer than 10 patients there is no interval; in a round it says "or wider"."""
MASK_SCORES = {
    "dice": ("2 both / (predicted + true), mean over images", "0 to 1", "high"),
    "median_dice": ("the same, the median", "0 to 1", "high"),
    "nsd": ("normalised surface Dice (Nikolov et al., J Med Internet Res 23:e26151, 2021): the "
            "part of both surfaces within `evaluation.surface_mm` of the other; mean over images",
            "0 to 1", "high"),
    "hd95": ("95th percentile of the distance from one surface to the other, the larger way; "
             "geometric mean over images, from 0.1 to 1,000 mm, as where nothing is seen",
             "0.1 to 1,000 mm", "low"),
    "median_hd95": ("the same, the median; infinite where nothing is seen in half of the images",
                    "≥ 0 mm", "low"),
    "volume": ("(predicted - true) / true volume, median over images", "-1 to 1", "0"),
    "voxel_dice": ("Dice of the voxels of all images with the class together", "0 to 1", "high"),
    "lesion_sensitivity": ("of the true lesions, the share that overlaps a predicted one by an "
                           "IoU of 0.1", "0 to 1", "high"),
    "lesion_f1": ("2 found / (2 found + missed + in excess), in the images with the class",
                  "0 to 1", "high"),
    "false_alarms": ("of the images without the class, the share in which the model sees it",
                     "0 to 1", "low"),
}  # fmt: skip


BOXES = """## Detection

Sites send, for each class, numbers of boxes by the model's confidence, never a box or a place: how
many are found and how many are false by each of two rules, in 256 bins over the log-odds from -8 to
8, 64 in the rounds; how many images are behind each bin; how many true boxes there are, and images
with the class and without. From the surest on, bins are joined until `policy.min_cell` images are
behind their boxes, 0 or so many are not, and none has more than the others together; they stand in
the bin of their mean. The least sure boxes that do not fill such a bin are left out, as if the
threshold were higher: a small site's FROC may be too low, and a class whose boxes fill no bin
counts as one of which nothing is found. The bins of the last scorings stand within those of the
rounds. A site weighs by its true boxes. Rounds are compared only on sites that tell neither more
than twice nor less than half of the true boxes and images of a class that they told first.

The surest box chooses first; of equal confidence, as their places stand. For the AP it takes, of
the true boxes of its class that are left, the one that it overlaps most, by an IoU of 0.5 at least;
every other box is false, a second one on the same lesion too (PASCAL VOC, Everingham et al., Int J
Comput Vis 88:303, 2010). For the FROC it takes the nearest one that is left and holds its centre:
in a plane the box, in a volume the ellipsoid within it; a second one there counts as nothing
(LUNA16, Setio et al., Med Image Anal 42:1, 2017). Other than in LUNA16 a box finds one lesion at
most. Only the 100 surest peaks of each class in an image are read, so that no more are found. A box
drawn in the padding beside an image counts as false here; `predict` leaves it out. An image of
which nobody knows whether it has a class does not count for it. Over classes it is the unweighted
mean.

Within a bin nobody knows the order: the FROC is a straight line between thresholds, as LUNA16's,
the AP has the false boxes spread evenly. How far that may have a value off is in its interval: up
to 0.01 for the FROC and 0.02 for the AP of 300 images at one hospital. Bins that hospitals join
otherwise may add a little to it."""
BOX_INTERVALS = """Intervals of a detection: Wilson, as if a score were the share of so many true
boxes found. With the last scorings a site sends the effect of each score: how many times as large
its variance is over patients drawn anew (bootstrap, 200 draws) as over independent boxes, rounded
up to 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100 or 1000, so intervals are somewhat too wide; of at
least `policy.min_cell` patients with the class, none with more than half of its true boxes. It
divides the true boxes (Rao and Scott, Biometrics 48:577, 1992); over sites it is the mean by true
boxes. Where no effect is known, as in a round, intervals are too narrow, and the page says so. What
the bins leave open is added."""
SENSITIVITY = (
    "share of the true boxes that is found where so many false boxes are in an image on average",
    "0 to 1",
    "high",
)
BOX_SCORES = {
    "froc": ("mean of the sensitivities at the seven numbers of false positives an image (LUNA16's "
             "competition metric)", "0 to 1", "high"),
    "ap50": ("area under precision over recall, made monotone, all points; over classes it is the "
             "mAP at 0.5", "0 to 1", "high"),
}  # fmt: skip


def boxes_table() -> str:
    """Give the table of a detection's scores."""
    rows = [
        [code(name), title, *BOX_SCORES.get(name, SENSITIVITY)] for name, title in BOX_NAMES.items()
    ]
    return table(HEADER, rows)


def masks_table() -> str:
    """Give the table of a segmentation's scores; one without a definition is a KeyError."""
    rows = [
        [code(name), title.replace("{unit}", "mm"), *MASK_SCORES[name]]
        for name, title in MASK_NAMES.items()
    ]
    return table(HEADER, rows)


def metrics() -> str:
    """Give the page; a score without a definition, or the other way round, is a KeyError."""
    counts = np.ones((1, N_BINS), int)
    known = estimates(ScoreCounts(4, 1.0, np.ones((2, 2), int), counts, counts), "binary")
    rows = []
    for name in ("loss", *known):
        title = NAMES.get(name, name).replace("{specificity:g}", "0.9")
        rows.append([code(name), title, *SCORES[name]])
    if left := set(SCORES) - {"loss", *known}:
        raise KeyError(f"no score is called {', '.join(sorted(left))}")
    segmentation = (MASKS, masks_table(), MASK_INTERVALS)
    detection = (BOXES, boxes_table(), BOX_INTERVALS)
    parts = (table(HEADER, rows), INTERVALS, *segmentation, *detection)
    return page("Metrics", INTRO, *parts, *tables())
