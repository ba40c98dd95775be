"""`medfl-client plugins`: what is installed here beside medfl, and how policy and plan name it."""

from typing import TYPE_CHECKING

from medfl_common.ui.screen import Screen, errors_for_people

if TYPE_CHECKING:
    from medfl_common.plan.plugins import Plugin


def list_plugins() -> None:
    """List the plugins that IT has installed here, for policy and plan; imports none."""
    from medfl_common.plugins.installed import installed_plugins, parts_of, why_not

    with errors_for_people():
        screen, found = Screen(), installed_plugins()
        if not found:
            screen.say("no plugin is installed here: medfl runs its own code alone")
            return
        rows = [
            [p.distribution, p.version, ", ".join(parts_of(p)), why_not(p) or "as RECORD says"]
            for p in found
        ]
        screen.table(["plugin", "version", "brings", "its files"], rows)
        screen.say("under plugins in a plan, and under policy in site.yaml:")
        for plugin in found:
            screen.say(f"  - {line_of(plugin)}")


def line_of(plugin: "Plugin") -> str:
    """Write a plugin as a plan and a policy name it."""
    name, version, sha256 = plugin.distribution, plugin.version, plugin.sha256
    return f"{{distribution: {name}, version: '{version}', sha256: {sha256}}}"
