"""Plugins at a hospital: what is refused, in which words, and that nothing is imported before."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.conftest import PLAN, MakePlan
from tests.wheels import (
    NAME,
    PACKAGE,
    SECTIONS,
    environment,
    install,
    named,
    write_record,
)

from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import permit
from medfl_common.errors import ConfigError, DisclosureError
from medfl_common.plan.plan import Plan, load_plan, plan_from_json, plan_from_values
from medfl_common.plan.plugins import Plugin
from medfl_common.plugins.installed import installed_plugins, parts_of, why_not
from medfl_common.plugins.loading import admit
from medfl_sim.data.hospitals import virtual_sites

OTHER = "0" * 64


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("MEDFL_TEST_MARKER", str(tmp_path / "was imported"))
    importlib.invalidate_caches()
    return folder


def plan_with(plugin: Plugin) -> Plan:
    values = yaml.safe_load(PLAN)
    for section, changes in SECTIONS.items():
        values[section] = {**values.get(section, {}), **changes}
    return plan_from_values({**values, "plugins": [plugin.model_dump()]})


def change(folder: Path) -> None:
    (folder / PACKAGE / "parts.py").write_text("print('other')\n")


def add(folder: Path) -> None:
    (folder / PACKAGE / "more.py").write_text("print('more')\n")


def remove(folder: Path) -> None:
    (folder / PACKAGE / "__init__.py").unlink()


def take_away(folder: Path) -> None:
    shutil.rmtree(folder)


def shadow(folder: Path) -> None:
    shutil.copytree(folder / PACKAGE, folder.parent / PACKAGE)
    sys.path.insert(0, str(folder.parent))


def make_editable(folder: Path) -> None:
    (folder / "link.pth").write_text(str(folder))
    write_record(folder, f"{PACKAGE}-1.0.dist-info", ["link.pth"])


@pytest.mark.parametrize(
    ("plan_says", "spoil", "words"),
    [
        ({}, take_away, "is not installed here"),
        ({"version": "1.1"}, None, "version 1.0 is installed here"),
        ({"sha256": OTHER}, None, "it is another wheel"),
        ({}, change, f"{PACKAGE}/parts.py is not what RECORD says"),
        ({}, remove, f"{PACKAGE}/__init__.py cannot be read"),
        ({}, add, f"{PACKAGE}/more.py is not in RECORD"),
        ({}, shadow, f"Python finds {PACKAGE} elsewhere"),
        ({}, make_editable, "is not in RECORD"),
    ],
)
def test_another_plugin_than_the_plans_is_refused_and_not_imported(
    wheels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan_says: dict[str, str],
    spoil: Callable[[Path], None] | None,
    words: str,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    plugin = install(wheels)
    if spoil is not None:
        spoil(wheels)
    if spoil is make_editable:
        plugin = named(wheels)
    importlib.invalidate_caches()
    wanted = plugin.model_copy(update=plan_says)

    with pytest.raises(DisclosureError, match=words) as refused:
        permit(plan_with(wanted), Policy(plugins=[wanted]))

    assert "(policy P25, plugins)" in str(refused.value)
    assert refused.value.rule == "P25"
    with pytest.raises(ConfigError, match=words):
        admit(plan_with(wanted))  # a coordinator looks in the same way
    assert not (tmp_path / "was imported").exists()
    assert PACKAGE not in sys.modules


def test_a_plugin_that_the_policy_does_not_list_is_refused(wheels: Path, tmp_path: Path) -> None:
    plugin = install(wheels)
    plan = plan_with(plugin)

    for policy in (Policy(), Policy(plugins=[plugin.model_copy(update={"sha256": OTHER})])):
        with pytest.raises(DisclosureError, match=r"needs the plugin hospital-parts 1\.0.*P25"):
            permit(plan, policy)

    permit(plan, Policy(plugins=[plugin.model_copy(update={"distribution": "Hospital_Parts"})]))
    assert not (tmp_path / "was imported").exists()


def test_a_plugins_hash_is_the_same_wherever_it_is_installed(wheels: Path, tmp_path: Path) -> None:
    here, there = install(wheels), install(tmp_path / "elsewhere")
    paths = [f"{PACKAGE}/parts.py", f"{PACKAGE}/__init__.py"]
    info = f"{PACKAGE}-1.0.dist-info"
    paths += [f"{info}/METADATA", f"{info}/entry_points.txt"]
    write_record(tmp_path / "elsewhere", info, paths, added="another-installer")

    assert named(tmp_path / "elsewhere") == there == here
    assert [p for p in installed_plugins() if p.distribution == NAME] == [here]
    assert "loss.soft_f1" in parts_of(here)
    assert why_not(here) == ""
    assert install(tmp_path / "third", body="x = 1\n") != here


def test_a_plan_with_plugins_is_read_and_hashed_before_they_are_imported(wheels: Path) -> None:
    plan = plan_with(install(wheels))

    assert plan_from_json(plan.canonical()).hash() == plan.hash()
    assert '"plugins"' in plan.canonical()
    assert '"plugins"' not in plan_from_values(yaml.safe_load(PLAN)).canonical()


def test_a_plan_without_the_plugin_hears_which_one_brings_its_part(
    wheels: Path, make_plan: MakePlan
) -> None:
    install(wheels)

    with pytest.raises(ConfigError, match=r"unknown loss 'soft_f1'.*plugin hospital-parts 1\.0"):
        load_plan(make_plan(training={"loss": "soft_f1"}))
    with pytest.raises(ConfigError, match=r"unknown loss 'nobodys'; known: task, .*--import"):
        load_plan(make_plan(training={"loss": "nobodys"}))


LOADED = """\
import sys
from pathlib import Path
from medfl_client.egress.plugin_rules import allow_plugins
from medfl_client.config.site_file import Policy
from medfl_common.errors import ConfigError, DisclosureError
from medfl_common.models import MODELS, build_model
from medfl_common.parts.losses import LOSSES
from medfl_common.plan.plan import load_plan
plan, without = map(load_plan, map(Path, sys.argv[1:]))
try:
    allow_plugins(plan, Policy())
except DisclosureError:
    print("refused", "hospital_parts" in sys.modules)
allow_plugins(plan, Policy(plugins=plan.plugins))
print(build_model(plan).n_features, LOSSES.names(), "Net" in MODELS.names(), plan.hash())
try:
    build_model(without)
except ConfigError as error:
    print(error)
"""


def test_parts_of_a_plugin_are_seen_by_the_plans_that_name_it_alone(
    wheels: Path, tmp_path: Path, make_plan: MakePlan
) -> None:
    plan = plan_with(install(wheels))
    (tmp_path / "with.yaml").write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    without = make_plan(model={"name": "Net"})

    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(tmp_path / "with.yaml"), str(without)],
        capture_output=True, text=True, check=True, env=environment(wheels, tmp_path / "marker"),
    )  # fmt: skip

    refused, seen, unseen = done.stdout.splitlines()
    assert refused == "refused False"
    assert seen == f"128 [] False {plan.hash()}"
    assert unseen.startswith("unknown model 'Net'")
    assert "the plugin hospital-parts 1.0 brings it" in unseen
    assert (tmp_path / "marker").exists()


def test_approve_and_doctor_name_the_code_that_a_plan_runs(
    wheels: Path, tmp_path: Path, hospitals: Path
) -> None:
    plugin, site = install(wheels), hospitals / "site-1"
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan_with(plugin).model_dump(mode="json")))
    start = "from medfl_client.cli import main; main()"

    def say(*arguments: str) -> str:
        command = [sys.executable, "-c", start, *arguments]
        env = {**environment(wheels, tmp_path / "marker"), "COLUMNS": "1000"}
        done = subprocess.run(command, capture_output=True, text=True, input="n\n", env=env)
        return " ".join((done.stdout + done.stderr).split())

    refused = say("approve", str(site), str(path))
    was_imported = (tmp_path / "marker").exists()
    listed = say("plugins")
    (site / "site.yaml").write_text(
        (site / "site.yaml")
        .read_text()
        .replace("min_cell: 1", f"min_cell: 1, plugins: [{plugin.model_dump_json()}]")
    )
    shown = say("approve", str(site), str(path))
    examined = say("doctor", str(site), "--plan", str(path))

    assert "the plan needs the plugin hospital-parts 1.0" in refused
    assert "allowed here: none (policy P25, plugins)" in refused
    assert not was_imported
    assert plugin.sha256 in listed
    assert f"code of the plugin hospital-parts 1.0, RECORD {plugin.sha256}" in shown
    assert "the coordinator did not send it" in shown
    assert "the network Net" in shown
    assert "installed here by IT, never sent" in examined


def test_a_simulation_tries_the_plans_plugins_where_a_site_file_says_nothing(
    wheels: Path, hospitals: Path
) -> None:
    plan = plan_with(install(wheels))
    strict = hospitals / "site-2" / "site.yaml"
    strict.write_text(strict.read_text().replace("min_cell: 1", "min_cell: 1, plugins: []"))

    sites = virtual_sites(hospitals, plan)

    assert sites["site-1"].policy.plugins == plan.plugins
    assert sites["site-2"].policy.plugins == []
