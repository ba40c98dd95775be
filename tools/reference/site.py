"""Every key of a hospital's site file."""

from tools.reference.keys import sections
from tools.reference.markdown import page

from medfl_client.config.site_file import SiteFile

INTRO = """The hospital's `site.yaml` says where its data are and what it allows. It never leaves
the hospital. `medfl-client init` writes a commented one; paths are relative to it.
The rules of the policy have ids: [policy](policy.md)."""


def site() -> str:
    """Give the page."""
    return page("Site file: every key", INTRO, *sections(SiteFile, "site.yaml"))
