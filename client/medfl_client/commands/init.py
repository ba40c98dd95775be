"""`medfl-client init`: write a commented site file and an identity, and name the next step."""

import shutil
from pathlib import Path

from medfl_client.config.folder import PUBLIC, SiteFolder, home_of
from medfl_client.config.identity import create_identity, replace_identity
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.config.site_template import server_part, write_site_file
from medfl_client.connection.study_key import in_words
from medfl_client.connection.supervisor import Tell
from medfl_common.errors import ConfigError
from medfl_common.plan.settings import loads
from medfl_common.wire.keys import fingerprint


def set_up(folder: Path, name: str, server: str, ca: Path | None, tell: Tell) -> None:
    """Write what is missing in a site's directory; keep every file that exists."""
    path = SiteFolder(folder).site_file
    if not path.exists():
        write_site_file(path, name or "my-hospital")
        tell(f"wrote {path}; medfl-client data {folder} fills in where the data are")
    site = load_site_file(folder)
    if name and name != site.site:
        raise ConfigError(f"{path} says site: {site.site}, --name says {name}", todo="change one")
    set_server(path, site, server)
    if ca is not None:
        if not ca.exists():
            raise ConfigError(
                f"there is no file {ca.resolve()}", todo="name the ca.crt that the coordinator sent"
            )
        shutil.copyfile(ca, SiteFolder(folder).ca)
        tell(f"study key: {in_words(SiteFolder(folder).ca, SiteFolder(folder).state)}")
    _show_identity(folder, create_identity(folder, site.site), tell)
    tell(
        f"next: medfl-client check {folder} --plan PLAN, then medfl-client approve {folder} "
        f"PLAN, then medfl-client run {folder}"
    )


def renew_keys(folder: Path, tell: Tell) -> None:
    """Make new keys for a site, and say who needs them; the old keys stay under another name."""
    site = load_site_file(folder)
    _show_identity(folder, replace_identity(folder, site.site), tell)
    tell(
        f"the coordinator runs `medfl-server enrol DIR {site.site} identity.pub --replace`; until "
        "then it refuses this site"
    )


def _show_identity(folder: Path, lines: list[str], tell: Tell) -> None:
    tell(f"send {home_of(folder) / PUBLIC} to the coordinator. It holds these lines:")
    for line in lines:
        tell(line)
    tell(f"their fingerprint, to compare by telephone: {fingerprint(lines)}")


def set_server(path: Path, site: SiteFile, server: str) -> None:
    """Name the coordinator in a site file, once; ConfigError where it names another."""
    if not server:
        return
    if site.server is None:
        text = path.read_text() + server_part(server)
        loads(SiteFile, text, source=f"{path} with --server {server}")
        path.write_text(text)
    elif site.server.address != server:
        raise ConfigError(
            f"{path} names the server {site.server.address}, --server says {server}",
            todo="edit the file",
        )
