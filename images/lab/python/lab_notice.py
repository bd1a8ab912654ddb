"""A server extension: what the person has to read, on top of JupyterLab's page.

It is what the start script has found; that a program was ended because memory ran out; and from some time before it,
that the server stops because it has run for the longest time allowed: `JHKUBE_STOPS_AFTER` seconds after its start,
told `JHKUBE_STOP_WARNING` seconds earlier.
"""

from __future__ import annotations

import html
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from jinja2 import BaseLoader, Environment
from lab_cgroup import MEMORY
from markupsafe import Markup

# An open dialog beside the page: it can be read while one works, and closes without a script.
BANNER = """
<dialog {open} role="alert" id="{name}" style="position: fixed; bottom: {bottom}; z-index: 10001; max-width: 44rem;
 margin: 0 auto; padding: 1rem; border: 2px solid #b45309; border-radius: 6px; background: #fffbeb; color: #1c1917;
 font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere{more}">
<form method="dialog"><span>{text}</span><p style="margin: 0.75rem 0 0; text-align: right">
<button style="padding: 0.25rem 1rem">Close</button></p></form></dialog>
"""

# JupyterLab says in a dialog that a kernel has died, and not why: that is when the page asks.
MEMORY_SCRIPT = """
<script data-url="{url}">
{{
  const url = document.currentScript.dataset.url, notice = document.getElementById("lab-memory");
  new MutationObserver(async (changes) => {{
    const added = changes.flatMap((change) => [...change.addedNodes]);
    if (!added.some((node) => node.classList?.contains("jp-Dialog"))) return;
    const token = document.cookie.match(/\\b_xsrf=([^;]*)/)?.[1];
    const answer = await fetch(url, {{ headers: token ? {{ "X-XSRFToken": token }} : {{}} }});
    const {{ message }} = answer.ok ? await answer.json() : {{}};
    const text = notice.querySelector("span");
    if (!message || text.textContent === message) return;
    text.textContent = message;
    // Not show(), which would take the focus from the dialog.
    notice.open = true;
  }}).observe(document.body, {{ childList: true }});
}}
</script>
"""

# The page is loaded long before: it waits by itself, and asks nobody, which would count as use of the server.
LATER = "<style>@keyframes lab-stop {to {visibility: visible}}</style>"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lab_notice"}]


def _load_jupyter_server_extension(server: Any) -> None:
    environment: Environment | None = server.web_app.settings.get("lab_jinja2_env")
    if not environment or not environment.loader:
        return
    banners = ""
    if text := os.environ.get("LAB_NOTICE"):
        banners += _banner("lab-notice", text, bottom="2.5rem").replace("{", "&#123;")
    after = _seconds("JHKUBE_STOPS_AFTER")
    if after:
        stop = Stop(time.time() + after, _seconds("JHKUBE_STOP_WARNING"))
        environment.globals["lab_stop"] = stop.banner
        banners += "{{ lab_stop() }}"
    url = f"{server.web_app.settings.get('base_url', '/')}jhkube/memory"
    environment.globals["lab_memory"] = partial(_memory, url)
    banners += "{{ lab_memory() }}"
    environment.loader = WithBanner(environment.loader, banners)


def _seconds(variable: str) -> float:
    try:
        return max(float(os.environ.get(variable) or 0), 0)
    except ValueError:
        return 0


def _banner(name: str, text: str, *, bottom: str, more: str = "", is_open: bool = True) -> str:
    shown = "open" if is_open else ""
    return BANNER.format(open=shown, name=name, text=html.escape(text), bottom=bottom, more=more)


def _memory(url: str) -> Markup:
    """Return the notice that memory ran out, hidden where it did not, and what shows it later."""
    text = MEMORY.sentence()
    banner = _banner("lab-memory", text, bottom="15.5rem", is_open=MEMORY.is_news)
    return Markup(banner + MEMORY_SCRIPT.format(url=html.escape(url)))


class Stop:
    """The end of a server that has run for the longest time allowed.

    Parameters
    ----------
    at
        When it is, in seconds since 1970.
    warning
        How many seconds before people read it.
    """

    def __init__(self, at: float, warning: float) -> None:
        self.at = at
        self.warning = warning

    def banner(self) -> Markup:
        """Return what is on a page that is loaded now; it is seen from the time of the warning on."""
        delay = max(self.at - self.warning - time.time(), 0)
        clock = datetime.fromtimestamp(self.at, UTC)
        text = (
            f"Your server stops at about {clock:%H:%M} UTC on {clock:%d %B} because it has run for the longest time "
            "allowed. Save your work."
        )
        more = f"; visibility: hidden; animation: lab-stop 0s linear {delay:.0f}s forwards"
        return Markup(LATER + _banner("lab-stop", text, bottom="9rem", more=more))


class WithBanner(BaseLoader):
    """Another loader's templates, with banners at the end of JupyterLab's page."""

    def __init__(self, loader: BaseLoader, banners: str) -> None:
        self.loader = loader
        self.banners = banners

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, filename, uptodate = self.loader.get_source(environment, template)
        if template == "index.html":
            before, end, after = source.rpartition("</body>")
            source = before + self.banners + end + after
        return source, filename, uptodate
