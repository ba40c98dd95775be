"""`references.bib`: BibTeX entries of what a study used."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version

from medfl_common import __version__
from medfl_common.plan.halves import algorithms_of
from medfl_common.plan.model_choice import GRAPH
from medfl_common.plan.plan import Plan
from medfl_common.plan.reference import Reference
from medfl_server.reports.paper.facts import Facts

MEDFL = Reference("{The medfl maintainers}", "medfl", 2026)
FLOWER = Reference(
    "Beutel, Daniel J. and Topal, Taner and Mathur, Akhil and others",
    "Flower: A Friendly Federated Learning Research Framework",
    2020, "", "https://arxiv.org/abs/2007.14390",
)  # fmt: skip
TORCH = Reference(
    "Paszke, Adam and Gross, Sam and Massa, Francisco and others",
    "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
    2019, "NeurIPS", "https://arxiv.org/abs/1912.01703",
)  # fmt: skip
CLAIM = Reference(
    "Tejani, Ali S. and Klontzas, Michail E. and Gatti, Anthony A. and Mongan, John T. and Moy, "
    "Linda and Park, Seong Ho and Kahn, Charles E.",
    "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
    2024, "Radiology: Artificial Intelligence 6(4), e240300",
    "https://doi.org/10.1148/ryai.240300", True,
)  # fmt: skip
TRIPOD = Reference(
    "Collins, Gary S. and Moons, Karel G. M. and Dhiman, Paula and others",
    "TRIPOD+AI statement: updated guidance for reporting clinical prediction models that use "
    "regression or machine learning methods",
    2024, "BMJ 385:e078378", "https://doi.org/10.1136/bmj-2023-078378", True,
)  # fmt: skip
NOISE = Reference(
    "Abadi, Martin and Chu, Andy and Goodfellow, Ian and McMahan, H. Brendan and Mironov, Ilya and "
    "Talwar, Kunal and Zhang, Li",
    "Deep Learning with Differential Privacy", 2016, "CCS", "https://arxiv.org/abs/1607.00133",
)  # fmt: skip
SUMS = Reference(
    "Bonawitz, Keith and Ivanov, Vladimir and Kreuter, Ben and others",
    "Practical Secure Aggregation for Privacy-Preserving Machine Learning",
    2017, "CCS", "https://eprint.iacr.org/2017/281",
)  # fmt: skip
DELONG = Reference(
    "DeLong, Elizabeth R. and DeLong, David M. and Clarke-Pearson, Daniel L.",
    "Comparing the areas under two or more correlated receiver operating characteristic curves: a "
    "nonparametric approach",
    1988, "Biometrics 44(3), 837-845", is_journal=True,
)  # fmt: skip
OBUCHOWSKI = Reference(
    "Obuchowski, Nancy A.", "Nonparametric analysis of clustered ROC curve data",
    1997, "Biometrics 53(2), 567-578", is_journal=True,
)  # fmt: skip
SPECIAL = str.maketrans({"{": "", "}": "", "\\": "", "%": r"\%", "&": r"\&", "#": r"\#",
                         "_": r"\_", "$": r"\$", "^": r"\^{}", "~": r"\~{}"})  # fmt: skip


def bibtex(facts: Facts) -> str:
    """Write an entry for each publication, with keys of family name and year."""
    found: dict[str, str] = {}
    for reference, note in used(facts):
        key = _key(reference)
        while key in found:
            key += "a"
        found[key] = _entry(key, reference, note)
    return "\n".join(found.values())


def used(facts: Facts) -> Iterator[tuple[Reference, str]]:
    """List what the study used, each with a note: software first, then methods, then checklists."""
    plan = facts.plan
    torch = sorted(set(_torch_versions(facts)))
    yield MEDFL, f"Software, version {__version__}"
    yield FLOWER, f"Version {version('flwr')}"
    yield TORCH, f"Version {', '.join(torch)} at the hospitals" if torch else ""
    for plugin in plan.plugins:
        note = f"Software, version {plugin.version}, SHA-256 of RECORD {plugin.sha256}"
        yield Reference("", plugin.distribution, 0, ""), note
    yield from _methods(plan)
    yield CLAIM, ""
    yield TRIPOD, ""


def _methods(plan: Plan) -> Iterator[tuple[Reference, str]]:
    for algorithm in algorithms_of(plan):
        own = algorithm.reference
        if own is None and algorithm.paper:
            yield Reference("", algorithm.name, 0, "", algorithm.paper), "The algorithm"
        elif own is not None:
            yield replace(own, url=algorithm.paper), ""
    for name in (plan.model.name, plan.model.encoder):
        if name is not None and (network := network_of(name)) is not None:
            yield network, f"The network {name}"
    if plan.task.type == "binary":
        yield DELONG, ""
    if not plan.task.is_dense:
        yield OBUCHOWSKI, ""
    if plan.privacy.noise is not None:
        yield NOISE, ""
    if plan.privacy.secure_sum is not None:
        yield SUMS, ""


def network_of(name: str) -> Reference | None:
    """Give the publication of a network: REFERENCE in the file that registers it; None: none."""
    from medfl_common.models import DENSE, MODELS  # imports torch

    if name == GRAPH:
        return None
    registry = MODELS if MODELS.has(name) else DENSE
    module = sys.modules[getattr(registry.get(name), "__module__", __name__)]
    found: Reference | None = getattr(module, "REFERENCE", None)
    return found


def _torch_versions(facts: Facts) -> Iterator[str]:
    for event in facts.rounds:
        for reply in event.sites.values():
            if "torch" in reply.versions:
                yield reply.versions["torch"]


def _key(reference: Reference) -> str:
    family = reference.authors.partition(",")[0] or reference.title
    return f"{re.sub('[^a-z]', '', family.lower())[:20]}{reference.year or ''}"


def _entry(key: str, reference: Reference, note: str) -> str:
    kind, where = ("article", "journal") if reference.is_journal else ("inproceedings", "booktitle")
    kind = kind if reference.venue else "misc"
    fields = {
        "author": reference.authors,
        "title": f"{{{reference.title.translate(SPECIAL)}}}",
        where: reference.venue.translate(SPECIAL),
        "year": str(reference.year or ""),
        "url": reference.url,
        "note": note.translate(SPECIAL),
    }
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text.strip("{}")]
    return "\n".join([f"@{kind}{{{key},", *lines, "}\n"])
