"""What a stranger finds at the coordinator's port: the hospitals' API, health, and nothing else."""

import contextlib
import socket
import ssl
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.main import create_app
from tests.conftest import MakePlan

from medfl_server.superlink.limits import MAX_BODY
from medfl_server.superlink.listener import OPEN
from medfl_server.superlink.superlink import _superlink_config
from medfl_sim.local.deployment import Deployment, wait_until

pytestmark = pytest.mark.processes

TRICKS = {
    "/", "/v1/fleet", "/v1/fleet/", "/v1/fleet/../control/start-run", "//v1/control/start-run",
    "/v1/fleet/%2e%2e/control/start-run", "/V1/Control/start-run", "/health/",
    "/v1/fleet/push-object/", "/v1/fleet/register-node", "/v1/fleet/unregister-node",
}  # fmt: skip


@pytest.fixture
def deployment(tmp_path: Path, hospitals: Path, make_plan: MakePlan) -> Iterator[Deployment]:
    folder = tmp_path / "deployment"
    folder.mkdir()
    found = Deployment(folder)
    found.create(make_plan(), {"site-1": hospitals / "site-1"})
    found.start_server()
    yield found
    found.stop()


def test_the_public_port_serves_the_fleet_api_and_health_and_nothing_else(
    deployment: Deployment,
) -> None:
    context = ssl.create_default_context(cafile=deployment.study / "tls" / "ca.crt")

    def status(path: str, method: str = "POST", data: bytes | None = None) -> int:
        url = f"https://localhost:{deployment.port}{path}"
        try:
            request = urllib.request.Request(url, data, method=method)
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    wait_until(lambda: status("/health", "GET") == 200, 90, "health")
    flower = create_app(_superlink_config(), SuperLinkLifespan)
    everything = {*flower.openapi()["paths"], "/docs", "/redoc", "/openapi.json"}
    assert {"/v1/control/start-run", "/v1/runtime/acquire-task", "/docs"} <= everything
    for path in everything - OPEN | TRICKS:
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert status(path, method) == 404, path
    for path in OPEN - {"/health"}:
        assert status(path) in (400, 401, 415, 422), path
    assert status("/v1/fleet/push-object", data=b"x" * (MAX_BODY + 1)) in (0, 413)  # 0: hung up
    assert status("/health", "GET") == 200
    _refuses_tls_1_1(deployment)


def _refuses_tls_1_1(deployment: Deployment) -> None:
    context = ssl.create_default_context(cafile=deployment.study / "tls" / "ca.crt")
    context.set_ciphers("ALL:@SECLEVEL=0")
    for newest, is_refused in ((ssl.TLSVersion.TLSv1_2, False), (ssl.TLSVersion.TLSv1_1, True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        with (
            socket.create_connection(("127.0.0.1", deployment.port), timeout=10) as plain,
            pytest.raises(ssl.SSLError) if is_refused else contextlib.nullcontext(),
        ):
            context.wrap_socket(plain, server_hostname="localhost").close()
