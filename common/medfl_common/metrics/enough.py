"""How many images a number needs before it may decide something or be written with its digits."""

from medfl_common.metrics.counts import ScoreCounts

FEWEST_IMAGES = 20  # from which scores may choose a round, a threshold or a temperature
FEWEST_OF_A_CLASS = 5  # images with a class or finding, and as many without it
DIGITS = ((20, 1), (500, 2))  # (fewer images than, digits after the point); else MOST_DIGITS
MOST_DIGITS = 3
# The same for cases; a Dice differs less by case than a yes or no
CASE_DIGITS = ((5, 1), (500, 2))
ROUGH = ((0.1, 1), (0.001, 2))  # (binning error of at least, digits after the point)


def is_enough(counts: ScoreCounts) -> bool:
    """Say whether there are enough images, and of one class at least enough with and without it."""
    pairs = zip(counts.positive, counts.negative, strict=True)
    of_a_class = max((min(int(p.sum()), int(n.sum())) for p, n in pairs), default=0)
    return counts.n >= FEWEST_IMAGES and of_a_class >= FEWEST_OF_A_CLASS


def digits(n: int, bound: float = 0.0) -> int:
    """Count the digits after the point that n images, and an error of binning, allow a score."""
    by_images = next((most for fewest, most in DIGITS if n < fewest), MOST_DIGITS)
    by_bins = next((most for least, most in ROUGH if bound >= least), MOST_DIGITS)
    return min(by_images, by_bins)


def case_digits(n: int) -> int:
    """Count the digits after the point that n cases allow a Dice."""
    return next((most for fewest, most in CASE_DIGITS if n < fewest), MOST_DIGITS)
