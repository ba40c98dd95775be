"""A small study with noise, of the synthetic hospitals."""

NOISE: dict[str, object] = {
    "epsilon": 40.0, "delta": 0.001, "clip": 1.0, "draw": 4, "steps": 3, "multiplier": 1.2,
    "least_patients": 8, "scores": 8.0,
}  # fmt: skip


def noisy(**noise: object) -> dict[str, dict[str, object]]:
    """Give the sections of the small plan with noise, changed."""
    return {
        "privacy": {"noise": {**NOISE, **noise}},
        "evaluation": {"keep": "last", "test": 0.2},
    }
