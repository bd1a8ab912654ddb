"""A server extension: shows what the start script has to say to the person, on top of JupyterLab's page."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from typing import Any

from jinja2 import BaseLoader, Environment

# An open dialog beside the page: it can be read while one works, and closes without a script.
BANNER = """
<dialog open role="alert" id="lab-notice" style="position: fixed; bottom: 2.5rem; z-index: 10000; max-width: 44rem;
 margin: 0 auto; padding: 1rem; border: 2px solid #b45309; border-radius: 6px; background: #fffbeb; color: #1c1917;
 font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere">
<form method="dialog">{text}<p style="margin: 0.75rem 0 0; text-align: right">
<button style="padding: 0.25rem 1rem">Close</button></p></form></dialog>
"""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lab_notice"}]


def _load_jupyter_server_extension(server: Any) -> None:
    text = os.environ.get("LAB_NOTICE")
    environment: Environment | None = server.web_app.settings.get("lab_jinja2_env")
    if text and environment and environment.loader:
        environment.loader = WithBanner(
            environment.loader, BANNER.replace("{text}", html.escape(text).replace("{", "&#123;"))
        )


class WithBanner(BaseLoader):
    """Another loader's templates, with a banner at the end of JupyterLab's page."""

    def __init__(self, loader: BaseLoader, banner: str) -> None:
        self.loader = loader
        self.banner = banner

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, filename, uptodate = self.loader.get_source(environment, template)
        if template == "index.html":
            before, end, after = source.rpartition("</body>")
            source = before + self.banner + end + after
        return source, filename, uptodate
