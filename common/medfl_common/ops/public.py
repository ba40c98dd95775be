"""Findings for other eyes: `doctor --json` goes into reports of faults that anyone may read.

No path, file, host, person or hospital is in it. What a check says itself keeps its words, with a
role in the place of each name. An error of a plan, a site file or the data may quote a label, so
the kind of the error stands instead.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from medfl_common.errors import ConfigError, DataError, kind_of
from medfl_common.ops.checks import Finding, has_failed

MORE = "run doctor without --json, which says more"
QUOTING = (ConfigError.code, DataError.code)  # these may quote a line of somebody's file
# Such names tell nothing, and the texts use them as words.
WORDS = {
    ".", "ca.crt", "data", "dicom", "hospital", "images", "labels", "localhost", "medfl", "plan",
    "plan.yaml", "root", "site", "study",
}  # fmt: skip
PATTERNS = {
    re.compile(r"\b\w+://[^\s,;]+"): "<URL>",
    re.compile(r"(?<![\w<>])~?/[^\s,;:()]+"): "<path>",
    re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"): "<address>",
    re.compile(r"(?<![\w:])([0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}\b|[0-9a-f:]*::[0-9a-f:]*"): (
        "<address>"
    ),
}


def as_json(findings: Sequence[Finding], names: Mapping[str, str]) -> str:
    """Write the findings for a script and for a report of a fault.

    Args:
        findings: What was found.
        names: Name, path or address of this place -> its role, such as "data folder".
    """
    state = "fail" if has_failed(findings) else "ok"
    checks = [asdict(_for_others(finding, names)) for finding in findings]
    return json.dumps({"result": state, "checks": checks}, indent=1)


def _for_others(finding: Finding, names: Mapping[str, str]) -> Finding:
    finding = replace(finding, check=_roles(finding.check, names))
    if finding.code in QUOTING:
        return replace(finding, seen=kind_of(finding.code), todo=MORE)
    return replace(finding, seen=_roles(finding.seen, names), todo=_roles(finding.todo, names))


def _roles(text: str, names: Mapping[str, str]) -> str:
    """Put roles in the place of names, the longest first, then what looks like a path or host."""
    for name in sorted(names.keys() - WORDS - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", f"<{names[name]}>", text)
    for pattern, role in PATTERNS.items():
        text = pattern.sub(role, text)
    return text
