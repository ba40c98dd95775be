"""The event by which a simulation notes what its plan's primary aim asks of two models."""

from typing import Self

from medfl_common.run.base_event import Event


class Compared(Event):
    """The final model was compared with another on the same patients, as the plan's aim says."""

    kind = "compared"

    @classmethod
    def of(
        cls, sha256: str, against: str, part: str, name: str, values: tuple[float, float] | None,
        interval: tuple[float, float] | None, n: int,
    ) -> Self:  # fmt: skip
        """Note what came out.

        Args:
            sha256: Digest of the final model's shared weights.
            against: Which model the other is, as in the plan.
            part: Whose patients were scored, as in the plan.
            name: The hospital whose own model the other is; empty: of all.
            values: The scores of the final model and of the other; None: they have none.
            interval: Of the difference, the final model's minus the other's; None: not told.
            n: Images scored.
        """
        return cls({
            "sha256": sha256, "against": against, "part": part, "name": name,
            "values": None if values is None else [*values],
            "interval": None if interval is None else [*interval],
            "n": n,
        })  # fmt: skip

    @property
    def sha256(self) -> str:
        """Digest of the shared weights."""
        return str(self.facts["sha256"])

    @property
    def asked(self) -> tuple[str, str]:
        """Which model the other is, and whose patients were scored."""
        return str(self.facts["against"]), str(self.facts["part"])

    @property
    def name(self) -> str:
        """The hospital whose own model the other is; empty: of all."""
        return str(self.facts["name"])

    @property
    def values(self) -> tuple[float, float] | None:
        """The scores of the final model and of the other."""
        return _pair(self.facts["values"])

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference, by patient."""
        return _pair(self.facts["interval"])

    @property
    def n(self) -> int:
        """Images scored."""
        return int(self.facts["n"])


def _pair(told: list[float] | None) -> tuple[float, float] | None:
    return None if told is None else (float(told[0]), float(told[1]))
