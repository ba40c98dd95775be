"""`medfl-client data`: look at the folder and the label file, ask, and write site.yaml; shown."""

import re
from pathlib import Path

from medfl_client.config.data_section import with_data
from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.secret_keys import site_secret
from medfl_client.config.site_file import DataFiles, load_site_file
from medfl_client.config.site_template import new_site_file
from medfl_client.data.dicom.index import rows
from medfl_client.data.ingest import index_folder
from medfl_client.data.labels import OF_PIXELS, count_labels, read_labels
from medfl_client.data.reader import DicomReader
from medfl_client.data.reasons import file_rows
from medfl_client.data.selection import select
from medfl_client.egress.approvals import approved, approved_plan, proposed
from medfl_client.first_look.images import SeenImages, look
from medfl_client.first_look.questions import ask_data
from medfl_client.first_look.subject import Given, Subject
from medfl_client.readiness.assess import survey_plan
from medfl_client.readiness.checks import UNLABELLED
from medfl_common.errors import DataError
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.settings import NAME
from medfl_common.ui.asking import Asking, write_shown
from medfl_common.ui.screen import lines_of


def describe_data(
    folder: Path, name: str, plan_file: Path | None, given: Given, asking: Asking
) -> bool:
    """Ask and write; returns whether site.yaml now says what was answered."""
    path, state = SiteFolder(folder).site_file, SiteFolder(folder).state
    before = load_site_file(folder) if path.exists() else None
    plan = _plan(folder, plan_file, asking)
    text = path.read_text(encoding="utf-8-sig") if before else ""
    site = name or (before.site if before else _ask_name(folder, asking))

    def look_at(data: DataFiles) -> SeenImages:
        database, _ = index_folder(folder, state, data, asking.screen.watch, DicomReader())
        return look(rows(database))

    known = before.data if before else None
    subject = Subject(folder, known, plan, site_secret(state), look_at)
    data = ask_data(subject, given, asking)
    if not _is_good(folder, data, plan, asking):
        asking.screen.say(f"not written; {path} stays as it is")
        return False
    text = with_data(text, data, str(path)) if before else new_site_file(site, data)
    if not write_shown(path, text, asking):
        return False
    with_plan = f" --plan {plan_file}" if plan_file else ""
    asking.screen.say(f"next: medfl-client index {folder}{with_plan}")
    return True


def _plan(folder: Path, plan_file: Path | None, asking: Asking) -> Plan | None:
    """Give the study's plan: the one named, the one that came, or the one that is approved."""
    state, here = SiteFolder(folder).state, SiteFolder(folder).plan_file
    waiting = next((path for path in (*proposed(state)[-1:], here) if path.exists()), None)
    found = plan_file or waiting
    records = approved(state) if found is None else []
    plan = load_plan(found) if found is not None else None
    if records:
        plan = approved_plan(records[-1])
    if plan is None:
        asking.screen.say("there is no plan yet (--plan), so words of labels stay as they are")
    else:
        classes = ", ".join(plan.task.classes)
        asking.screen.say(f"the plan of {plan.study} is {plan.task.type}: {classes}")
    return plan


def _ask_name(folder: Path, asking: Asking) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:32]
    proposed_ = plain if re.fullmatch(NAME, plain) else "my-hospital"
    return asking.ask("This hospital's name, as the coordinator sees it", proposed_)


def _is_good(folder: Path, data: DataFiles, plan: Plan | None, asking: Asking) -> bool:
    """Join images and labels as answered, and show what comes of it; ask where it is at fault.

    Raises DataError where nobody can be asked.
    """
    try:
        _show_samples(folder, data, plan, asking)
    except DataError as error:
        if not asking.is_answered:
            raise
        for line in lines_of(error):
            asking.screen.say(line)
        return asking.agree("Keep these answers all the same", False)
    return True


def _show_samples(folder: Path, data: DataFiles, plan: Plan | None, asking: Asking) -> None:
    state, screen = SiteFolder(folder).state, asking.screen
    if data.labels_from in OF_PIXELS:
        screen.say(f"the labels are {data.labels_from}, as {data.labels_from}: in site.yaml says")
        return
    database, secret = StateFolder(state).index, site_secret(state)
    wanted = plan or survey_plan(folder, database, data)
    if UNLABELLED in wanted.task.classes:
        screen.say("what the classes are is not said by the labels alone; a plan says it (--plan)")
        return
    labels = read_labels(folder, data, wanted, secret)
    found = select(rows(database), labels, data, wanted, folder / data.folder)
    used = {row.name for sample in found.samples for row in sample.source.rows}
    left = {name: reason for name, reason in found.refused.items() if name not in used}
    screen.table(["files", "what becomes of them"], file_rows(len(used), left))
    if not found.samples:
        raise DataError(
            "no image has a label", todo=found.hint or "name another column that says which image"
        )
    counts = count_labels([sample.targets for sample in found.samples], wanted.task)
    n_patients = len({sample.patient for sample in found.samples})
    words = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    screen.say(f"{len(found.samples):,} samples of {n_patients:,} patients: {words}")
    if found.hint:
        screen.say(found.hint)
    if found.n_labels_unused:
        screen.say(f"{found.n_labels_unused:,} rows of labels have no image here")
