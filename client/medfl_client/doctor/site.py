"""`medfl-client doctor`: check, before the start, everything that could stop this site later.

It changes nothing, and sends only TLS handshakes and one GET /health, signed with the site's key.
"""

from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from socket import gethostname

from medfl_client.config.folder import SiteFolder, home_of
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.config.studies import running_state
from medfl_client.doctor.files import (
    check_data_folder,
    check_decoders,
    check_keys,
    check_labels,
    check_lock,
    check_sandbox,
    check_state,
    check_temporary,
    count_files,
)
from medfl_client.doctor.network import network_checks, proxy_names
from medfl_client.doctor.plan import (
    check_approval,
    check_device,
    check_epochs,
    check_line,
    check_plan,
    check_plan_allowed,
    check_plugins,
    check_room,
    check_some_approved,
    check_training_memory,
    list_policy,
)
from medfl_client.doctor.privacy import check_privacy
from medfl_client.egress.approvals import approved, approved_plan
from medfl_common.errors import MedflError
from medfl_common.ops.address import split
from medfl_common.ops.checks import Check, Finding, examine, not_checked, ok
from medfl_common.ops.user import user_name
from medfl_common.plan.plan import Plan, load_plan


def examine_site(folder: Path, plan_file: Path | None) -> list[Finding]:
    """Make every check of a site's directory, with a plan's needs where one is given."""
    own: dict[str, Check] = {
        "programs": check_decoders,
        "sandbox": check_sandbox,
        "keys": partial(check_keys, folder),
        "running already": partial(check_lock, running_state(folder)),
        "temporary files": check_temporary,
        "state folder": partial(check_state, SiteFolder(folder).state),
        "privacy ledger": partial(check_privacy, SiteFolder(folder).state),
    }
    first = examine({"site file": lambda: ok(_describe(load_site_file(folder)))} | own)
    if first[0].state == "fail":
        return [*first, *examine({"the rest": _needs_site_file})]
    site = load_site_file(folder)
    found = first + examine(_data_checks(folder, site))
    return found + _with_plan(folder, site, plan_file) + network_checks(folder, site)


def private_names(folder: Path, plan_file: Path | None) -> dict[str, str]:
    """List what a fault report must not name, each with the role that replaces it."""
    home = home_of(folder)
    paths = (folder, folder.resolve(), home, home.resolve())
    names = {str(path): "site folder" for path in paths}
    names |= {user_name(): "user", gethostname(): "machine"}
    if plan_file is not None:
        names |= dict.fromkeys((str(plan_file), str(plan_file.resolve()), plan_file.name), "plan")
    with suppress(MedflError):
        site = load_site_file(folder)
        files = {site.data.folder: "data folder", site.data.labels: "label file"}
        files[site.data.boxes.file] = "list of boxes"
        names[site.site] = "site"
        if site.server is not None:
            host, _ = split(site.server.address)
            names |= {site.server.address: "coordinator", host: "coordinator"}
            names |= proxy_names(folder, site)
            files[site.server.ca] = "ca.crt"
        for name, role in files.items():
            if not name:  # the site has no such file
                continue
            path = folder / name
            names |= dict.fromkeys((name, str(path), str(path.resolve())), role)
    return names


def _describe(site: SiteFile) -> str:
    return f"{site.site}, data in {site.data.folder}"


def _needs_site_file() -> Finding:
    return not_checked("data, plan and network: the site file says where they are")


def _data_checks(folder: Path, site: SiteFile) -> dict[str, Check]:
    return {
        "data folder": partial(check_data_folder, folder / site.data.folder),
        "labels": partial(check_labels, folder, site.data),
        "device": partial(check_device, site.compute.device),
        "policy": partial(list_policy, site.policy),
    }


def _with_plan(folder: Path, site: SiteFile, plan_file: Path | None) -> list[Finding]:
    """Make the checks that depend on a plan: the one named, else the one approved last."""
    if plan_file is None:
        return _with_approved(folder, site)
    first = examine({"plan": partial(check_plan, plan_file, site.policy)})
    if first[0].state == "fail":
        return first
    return first + examine(_plan_checks(folder, site, load_plan(plan_file)))


def _with_approved(folder: Path, site: SiteFile) -> list[Finding]:
    first = examine({"plan": partial(check_some_approved, site.policy, SiteFolder(folder))})
    if first[0].state != "ok":
        return first
    plan = approved_plan(approved(SiteFolder(folder).state)[-1])
    return first + examine(_plan_checks(folder, site, plan))


def _plan_checks(folder: Path, site: SiteFile, plan: Plan) -> dict[str, Check]:
    files = cache(partial(count_files, folder / site.data.folder))
    return {
        **({"plugins": partial(check_plugins, plan, site.policy)} if plan.plugins else {}),
        "plan and policy": partial(check_plan_allowed, plan, site.policy),
        "approval": partial(check_approval, plan, site.policy, SiteFolder(folder).state, folder),
        "disk": lambda: check_room(folder, site.data, plan, files()),
        "memory": partial(check_training_memory, plan, site.compute.device),
        "epochs": partial(check_epochs, plan, site.compute.epochs),
        "line": partial(check_line, plan, site.policy),
    }
