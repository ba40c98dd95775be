"""What `medfl-server init` does: a study, or a coordinator's directory for several."""

from pathlib import Path

from medfl_common.errors import ConfigError
from medfl_common.ops.certificate import certificate_fingerprint
from medfl_common.plan.plan import load_plan
from medfl_common.run.folder import RunFolder
from medfl_common.ui.screen import Screen
from medfl_server.roster.certificates import (
    certified_names,
    create_authority,
    use_authority_above,
)
from medfl_server.roster.study_key import ensure_study_key, study_fingerprint
from medfl_server.study.coordinator import (
    coordinator_like,
    create_coordinator,
    is_coordinator,
    is_one_of_several,
    refuse_name_of_another,
)
from medfl_server.study.plan_check import plan_notes, refuse_simulated
from medfl_server.study.run_directory import create_study

CA = "fingerprint of ca.crt, to compare by telephone: {}"


def make(folder: Path, plan: Path | None, host: str, like: Path | None, screen: Screen) -> None:
    """Make what is asked for; raises ConfigError where it is not clear what that is."""
    if plan is None:
        _make_coordinator(folder, host, like, screen)
    elif like is not None:
        raise ConfigError(
            "--like makes a coordinator's directory, --plan a study in one",
            todo=f"first: medfl-server init {folder.parent} --like {like}",
        )
    else:
        _make_study(folder, plan, host, screen)


def _make_coordinator(folder: Path, host: str, like: Path | None, screen: Screen) -> None:
    if bool(host) == (like is not None):
        raise ConfigError(
            "init needs --plan for a study, or else either --host or --like",
            todo="name the plan; or, for a coordinator of several studies, the host by which "
            "hospitals reach it, or the study whose authority is to serve all",
        )
    shown = coordinator_like(folder, like) if like is not None else create_coordinator(folder, host)
    screen.say(f"made {folder} for several studies on one port, with one authority")
    screen.say(CA.format(shown))
    screen.say(f"next: medfl-server init {folder / 'NAME'} --plan PLAN for each study")
    screen.say(f"then: medfl-server run {folder}, which runs them all")


def _make_study(folder: Path, plan: Path, host: str, screen: Screen) -> None:
    above = is_one_of_several(folder)
    if is_coordinator(folder):
        raise ConfigError(
            f"{folder} is for several studies, and its certificates serve those below",
            todo=f"make the study below it: medfl-server init {folder / 'NAME'} --plan {plan}",
            data="nothing was changed",
        )
    if not (above or host):
        raise ConfigError(
            "a study with an authority of its own needs --host",
            todo="write the name or address by which hospitals reach you",
        )
    if above and host and host not in certified_names(folder):
        raise ConfigError(
            f"the certificate above {folder} is for {', '.join(certified_names(folder))}, not for "
            f"{host}",
            todo=f"leave --host out, or medfl-server renew {folder.parent} --host {host}",
        )
    if above:
        refuse_name_of_another(folder, plan)

    refuse_simulated(load_plan(plan), plan.name)

    def certify(name: str) -> None:
        if above:
            use_authority_above(folder)
        else:
            create_authority(folder, name, host)

    study = create_study(folder, plan, certify)
    shown = certificate_fingerprint(study.files.ca)
    ensure_study_key(folder)
    screen.say(f"made the study {study.plan.study} in {folder}")
    screen.say(f"plan hash {study.plan.hash()}")
    for note in plan_notes(study.plan):
        screen.say(note)
    screen.say(CA.format(shown))
    screen.say(f"fingerprint of the study key, which signs tasks: {study_fingerprint(folder)}")
    screen.say(f"next: medfl-server invite {folder} NAME for each hospital, and send it the file")
    runs = RunFolder(folder).server_certificate.parent.parent if above else folder
    screen.say(f"then: medfl-server run {runs}; hospitals join while it runs")
