"""How many hospitals may vanish from a secure sum, and how few a coordinator that cheats can sum.

n hospitals are in the approved group and t of them are needed to open a sum: t = n - may_lose, by
default 2n // 3 + 1. A sum that is opened as agreed is of t hospitals or more.

A coordinator may show different hospitals different lists of whose vectors came. Each list leaves
out n - t at most, and an honest hospital answers one list, for ever. To take a hospital out of the
sum, t shares of its mask key are needed; c colluding hospitals give all theirs, so t - c honest
lists must leave it out. The n - c honest hospitals so take out (n - c)(n - t) / (t - c) at most.
"""

from typing import Literal


def most_lost(n: int) -> int:
    """Count the hospitals of n that may vanish: fewer than a third of them."""
    return (n - 1) // 3


def threshold(n: int, may_lose: int | Literal["auto"] = "auto") -> int:
    """Count the hospitals of n that are needed to open a sum; raises ValueError for too many lost.

    Two openings of one round by different hospitals need 2t, which is more than there are.
    """
    lost = most_lost(n) if may_lose == "auto" else may_lose
    if not 0 <= lost <= most_lost(n):
        raise ValueError(f"of {n} hospitals {most_lost(n)} may vanish at most, not {lost}")
    return n - lost


def fewest_summed(n: int, t: int, n_colluding: int = 0) -> int:
    """Count the hospitals, colluding ones included, in the smallest sum by a cheating coordinator.

    Args:
        n: Hospitals of the approved group.
        t: Hospitals that are needed to open a sum.
        n_colluding: Hospitals that help the coordinator; t or more of them see every update.
    """
    n_honest, alone = n - n_colluding, min(n_colluding + 1, n)
    if n_colluding >= t:
        return alone
    return max(n - n_honest * (n - t) // (t - n_colluding), alone)
