"""Ask the coordinator for a place, under an invitation's code: one POST over the study's TLS."""

import http.client
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from medfl_client.config.identity import public_lines, signing_key, transport_key
from medfl_client.connection.coordinator import explained, trust
from medfl_client.connection.study_key import read_authorities
from medfl_client.connection.way import Route, connect
from medfl_common.errors import LinkError
from medfl_common.ops.invitation import Invitation
from medfl_common.wire.joining import (
    MAX_BYTES,
    PATH,
    JoinAnswer,
    read_answer,
    refusal,
    sign_request,
)

ANSWERED = (http.client.OK, http.client.FORBIDDEN)
AGAIN = "run the same command again later"


def ask_to_join(folder: Path, route: Route, invitation: Invitation) -> JoinAnswer:
    """Send the public keys of a site; raises LinkError where the coordinator refuses, with why.

    What is sent: the name in the invitation, its code, two public keys and their signatures.
    """
    first, second = (" ".join(line.split()[:2]) for line in public_lines(folder))
    request = sign_request(
        invitation.code,
        invitation.site,
        read_authorities(route.ca)[0].fingerprint(hashes.SHA256()),
        transport_key(folder),
        signing_key(folder),
        (first, second),
    )
    with explained(route):
        status, body = _post(route, request)
    if status not in ANSWERED:
        raise _unexpected(status)
    answer = read_answer(body)
    if answer.state == "refused":
        raise refusal(answer.why)
    return answer


def _post(route: Route, request: bytes) -> tuple[int, bytes]:
    host, port = route.host_and_port
    with connect(route) as plain, trust(route.ca).wrap_socket(plain, server_hostname=host) as line:
        connection = http.client.HTTPConnection(host, port)
        connection.sock = line
        connection.request("POST", PATH, request, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_BYTES)


def _unexpected(status: int) -> LinkError:
    if status == http.client.NOT_FOUND:
        return LinkError(
            "the coordinator's medfl knows no invitations",
            todo="agree on one version of medfl with the coordinator",
            data="your keys and site.yaml are kept",
        )
    if status == http.client.SERVICE_UNAVAILABLE:
        return LinkError(
            "the coordinator cannot note the request now", todo=AGAIN, data="nothing is lost"
        )
    return LinkError(f"the coordinator answers with status {status}", todo=AGAIN)
