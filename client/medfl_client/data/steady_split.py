"""The split under privacy.noise: a patient's part follows from that patient alone.

One patient more or less at a hospital moves nobody else, which differential privacy needs, and in
all studies with the same shares the same patients are held out. So no class gets its share of each
part, small parts stay, and what was noted for other splits is not looked at.
"""

import hmac
from collections.abc import Mapping

from medfl_client.data.parts import Part
from medfl_common.plan.plan import Plan

SALT = b"medfl steady split"


def steady_split(secret: bytes, pseudonyms: Mapping[str, object], plan: Plan) -> dict[str, Part]:
    """Give each patient a part by a keyed hash: the lowest test, the next validate."""
    return {name: _part(_place(secret, name), plan) for name in pseudonyms}


def _place(secret: bytes, pseudonym: str) -> float:
    """Give a patient's place in [0, 1), by HMAC-SHA256 (RFC 2104)."""
    digest = hmac.digest(secret, SALT + b"\0" + pseudonym.encode(), "sha256")
    return (int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53


def _part(place: float, plan: Plan) -> Part:
    test, validation = plan.evaluation.test, plan.evaluation.validation
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"
