"""A plan's plugins imported, once they were found to be those that it names."""

import threading
from collections.abc import Iterable
from importlib.metadata import EntryPoint

from medfl_common.errors import ConfigError
from medfl_common.parts import augmentations, losses, metrics, rules  # noqa: F401  the registries
from medfl_common.plan.plan import Plan
from medfl_common.plan.plugins import Plugin
from medfl_common.plugins.installed import entries_of, why_not
from medfl_common.registry import GROUP

_LOADED: dict[str, Plugin] = {}  # in this process, by name, version and hash
_LOCK = threading.Lock()


def admit(plan: Plan) -> None:
    """Import a plan's plugins, and check the plan with them; raises ConfigError.

    A hospital asks its policy first.
    """
    if plan.plugins:
        load(plan.plugins)
        if unfit := plan.why_unfit():
            raise ConfigError(unfit, todo="correct the plan, or its plugins")


def load(plugins: Iterable[Plugin]) -> None:
    """Import plugins that are what they are named, each once; raises ConfigError."""
    with _LOCK:
        for plugin in plugins:
            if reason := why_not_here(plugin):
                raise ConfigError(
                    reason, todo="have the wheel of the plan installed here, or correct plugins"
                )
            if str(plugin) not in _LOADED:
                _import(plugin)
                _LOADED[str(plugin)] = plugin


def loaded() -> list[Plugin]:
    """List the plugins that this process has imported."""
    return [*_LOADED.values()]


def why_not_here(plugin: Plugin) -> str:
    """Say why a plugin cannot be used here; empty: it was imported, or may be.

    What runs already is what was looked at before it was imported, and is not read again.
    """
    if str(plugin) in _LOADED:
        return ""
    for other in _LOADED.values():
        if other.is_same(plugin.model_copy(update=_facts(other))):
            return f"the plugin {other} runs here; {plugin} does after medfl was started again"
    return why_not(plugin)


def _facts(plugin: Plugin) -> dict[str, str]:
    return {"version": plugin.version, "sha256": plugin.sha256}


def _import(plugin: Plugin) -> None:
    from medfl_common.plugins.kinds import entries, is_taken  # imports torch

    found = entries_of(plugin)
    if not found:
        raise ConfigError(f"the plugin {plugin} brings no parts: it has no {GROUP}")
    for entry in found:
        kind, _, name = entry.name.partition(".")
        if not is_taken(kind):
            continue  # a source at a hospital
        for registry, part in entries(kind, name, _loaded(entry, plugin)):
            registry.add_from_plugin(name, part, str(plugin))


def _loaded(entry: EntryPoint, plugin: Plugin) -> object:
    try:
        return entry.load()
    except Exception as error:  # whatever the plugin's code does
        raise ConfigError(
            f"the plugin {plugin} cannot be imported: {error}",
            todo="ask who made it",
        ) from error
