"""What medfl stands on: Flower's private names, and that they are used in four files only."""

import ast
import inspect
import os
from pathlib import Path

from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid.http_grid import HttpGrid
from flwr.superlink.servicer.control import control_handlers
from flwr.superlink.servicer.runtime import runtime_handlers
from tests.conftest import ROOT

from medfl_server.superlink.http_grid import DirectRuntime

PUBLIC = {
    "flwr.app",
    "flwr.clientapp",
    "flwr.clientapp.typing",
    "flwr.serverapp",
    "flwr.serverapp.strategy",
}
PRIVATE_IN = {
    "client/medfl_client/connection/executor.py",
    "server/medfl_server/superlink/http_grid.py",
    "server/medfl_server/superlink/superlink.py",
    "sim/medfl_sim/engine/grid.py",
}


def modules_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] == "flwr"}


def test_private_parts_of_flower_are_used_in_four_files_only() -> None:
    for package in ("common", "client", "server", "sim"):
        for path in (ROOT / package).rglob("*.py"):
            if path.relative_to(ROOT).as_posix() not in PRIVATE_IN:
                assert modules_imported(path) <= PUBLIC, path


def test_this_is_the_flower_that_those_files_were_written_for() -> None:
    from importlib.metadata import version

    assert version("flwr") == "1.41.0"


def test_the_direct_runtime_has_what_the_grid_calls() -> None:
    called = set()
    for node in ast.walk(ast.parse(inspect.getsource(inspect.getmodule(HttpGrid)))):  # type: ignore[arg-type]
        is_call = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
        if is_call and node.value.attr == "_runtime_client":  # type: ignore[attr-defined]
            called.add(node.attr)  # type: ignore[attr-defined]

    assert called == {
        "PushMessages", "PullMessages", "PushObject", "PullObject", "ConfirmMessageReceived",
        "GetNodes",
    }  # fmt: skip
    assert all(hasattr(DirectRuntime, name) and hasattr(RuntimeHttpClient, name) for name in called)


def test_the_handlers_take_request_state_and_task() -> None:
    for name in ("push_messages", "pull_messages", "push_object", "pull_task_input"):
        parameters = list(inspect.signature(getattr(runtime_handlers, name)).parameters)
        assert parameters == ["request", "state", "task"]
    start = inspect.signature(control_handlers.start_run).parameters
    assert list(start)[:4] == ["request", "account", "state", "fleet_api_type"]
    for name in (
        "activate_node", "deactivate_node", "create_node", "get_node_info", "store_object",
        "store_message_and_object_tree", "_cleanup_push_session",
    ):  # fmt: skip
        assert callable(getattr(InMemoryLinkState, name))


def test_flower_tells_nobody_and_asks_nobody() -> None:
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_UPDATE_CHECK"] == "1"
