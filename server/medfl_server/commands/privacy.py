"""`medfl-server privacy`: compute a plan's noise, and say what it means before it is approved."""

import re
from pathlib import Path
from typing import Any

from medfl_common.errors import ConfigError
from medfl_common.files import write_atomic
from medfl_common.plan.noise_cost import fitting_multiplier
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise
from medfl_common.plan.settings import check
from medfl_common.plan.strict_yaml import read_yaml
from medfl_common.privacy.accountant import least_epsilon
from medfl_common.ui.screen import Screen
from medfl_server.planning.noise_figures import Hospitals, figures

MOST = 10_000.0  # the largest multiplier of a plan
NUMBER = r"[^,}\s#]+"


def compute_noise(plan_file: Path, hospitals: Hospitals, is_written: bool, screen: Screen) -> None:
    """Show what a plan's noise costs and means; write its multiplier where that is asked.

    The plan may lack `privacy.noise.multiplier`, or have a wrong one.
    """
    values: dict[str, Any] = read_yaml(plan_file)
    written = _noise_in(values, plan_file).get("multiplier")
    plan = _with_multiplier(values, MOST, plan_file)
    noise = plan.privacy.noise
    assert noise is not None
    fits = _fitting(noise, plan.federation.rounds)
    is_enough = _is_number(written) and float(str(written)) >= fits
    chosen = float(str(written)) if is_enough and not is_written else fits
    plan = _with_multiplier(values, chosen, plan_file)
    assert plan.privacy.noise is not None
    title = f"the noise of {plan.study}, {plan.federation.rounds} rounds"
    screen.table(["question", "answer"], figures(plan, plan.privacy.noise, hospitals), title=title)
    if written == chosen:
        screen.say(f"multiplier: {chosen:g} is in the plan")
    elif is_written:
        _write(plan_file, values, fits)
        screen.say(f"wrote multiplier: {fits:g} into {plan_file}; the plan's hash is another now")
    else:
        found = "none" if written is None else f"multiplier: {written}"
        screen.say(f"the plan has {found}. Write multiplier: {fits:g}, or run this with --write")


def _noise_in(values: dict[str, Any], plan_file: Path) -> dict[str, Any]:
    section = values.get("privacy")
    noise = section.get("noise") if isinstance(section, dict) else None
    if not isinstance(noise, dict):
        raise ConfigError(
            f"{plan_file} has no privacy.noise",
            todo="write privacy.noise with epsilon, delta, draw, steps and least_patients",
        )
    return noise


def _with_multiplier(values: dict[str, Any], multiplier: float, plan_file: Path) -> Plan:
    noise = {**_noise_in(values, plan_file), "multiplier": multiplier}
    changed = {**values, "privacy": {**values["privacy"], "noise": noise}}
    return check(Plan, changed, str(plan_file))


def _fitting(noise: Noise, rounds: int) -> float:
    try:
        fits = fitting_multiplier(noise, rounds)
    except ValueError:
        fits = MOST + 1
    if fits > MOST:
        least = least_epsilon(noise.delta)
        raise ConfigError(
            f"no multiplier gives epsilon {noise.epsilon:g} at delta {noise.delta:g}",
            todo=f"choose an epsilon above {least:.2g}, fewer steps or a smaller draw",
        )
    return fits


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _write(plan_file: Path, values: dict[str, Any], multiplier: float) -> None:
    """Change the number in the file's text, or add it; comments and order stay."""
    text = plan_file.read_text()
    number = f"multiplier: {multiplier:g}"
    if "multiplier" in values["privacy"]["noise"]:
        text = re.sub(rf"\bmultiplier:\s*{NUMBER}", number, text, count=1)
    elif re.search(r"\bnoise:\s*\{", text):
        text = re.sub(r"\bnoise:\s*\{", rf"\g<0>{number}, ", text, count=1)
    else:
        text = re.sub(
            r"(\bnoise:[^\n]*\n(?:\s*#[^\n]*\n)*)([ ]+)", rf"\1\2{number}\n\2", text, count=1
        )
    write_checked(plan_file, text, values, multiplier)


def write_checked(plan_file: Path, text: str, values: dict[str, Any], multiplier: float) -> None:
    """Write the text if it says what it is to say, and nothing else; else raise ConfigError."""
    partial = plan_file.with_name(f"{plan_file.name}.new")
    write_atomic(partial, text.encode())
    noise = {**values["privacy"]["noise"], "multiplier": multiplier}
    try:
        found = read_yaml(partial)
    except ConfigError:
        found = {}
    if found != {**values, "privacy": {**values["privacy"], "noise": noise}}:
        partial.unlink()
        raise ConfigError(
            f"medfl does not see where in {plan_file} the multiplier stands",
            todo=f"write multiplier: {multiplier:g} below privacy.noise",
            data="nothing was changed",
        )
    partial.replace(plan_file)
