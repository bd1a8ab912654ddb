# mypy: allow-untyped-calls
"""How somebody becomes a guest: the button on the login page, and the handler behind it."""

from __future__ import annotations

import html
from typing import Any, Final

from jinja2 import Template
from jupyterhub.handlers import BaseHandler
from jupyterhub.utils import url_path_join
from tornado.escape import url_escape
from tornado.httputil import url_concat

from jhkube.login.errors import TooManyGuests

__all__ = ["GuestLoginHandler", "login_page"]

_GUEST_FORM: Final = """
<form class="jhkube-guest service-login mt-3" action="{action}?next={{{{ next }}}}" method="post">
  <input type="hidden" name="_xsrf" value="{{{{ xsrf }}}}">
  <button type="submit" class="btn btn-secondary">Continue as a guest</button>
  <p class="mt-2">A guest needs no account. Files of guests are not kept.</p>
</form>
"""

_SIGN_IN: Final = """
<div class="service-login">
  <a role="button" class="btn btn-primary btn-lg" href="{{{{ authenticator_login_url }}}}">Sign in with {provider}</a>
</div>
"""
# btn-primary, although the hub's own page has btn-jupyter: white on its orange is hard to read.

_REFUSED: Final = '<p class="jhkube-refused alert alert-warning mt-3" role="alert">{message}</p>'


def login_page(base_url: str, provider: str) -> str:
    """Return the text of the login page with both buttons, for the authenticator's `custom_html`: a Jinja template.

    Parameters
    ----------
    base_url
        The hub's path.
    provider
        The provider's name.
    """
    action = html.escape(url_path_join(base_url, "guest-login"))
    return _sign_in(provider) + _GUEST_FORM.format(action=action)


def _sign_in(provider: str) -> str:
    return _SIGN_IN.format(provider=html.escape(provider).replace("{", "&#123;"))


class GuestLoginHandler(BaseHandler):
    """Makes a guest of whoever presses the button, unless they are somebody already.

    Nothing of a request says who somebody is but the hub's own session cookie, which this sets.
    """

    async def get(self) -> None:
        """Show the button: a link, or a browser that looks ahead, makes nobody a guest."""
        if user := self.current_user:
            self.redirect(self.get_next_url(user))
            return
        await self._show(_GUEST_FORM.format(action=html.escape(self.request.path)))

    async def post(self) -> None:
        """Log a new guest in; who cannot be one now reads why, and can log in instead."""
        # None for somebody whose session has ended, although their cookie is still good: they may be a guest now.
        user = self.current_user
        if user is None:
            try:
                user = await self.login_user()
            except TooManyGuests as refusal:
                self.set_status(refusal.status)
                for name, value in refusal.headers.items():
                    self.set_header(name, value)
                said = _REFUSED.format(message=html.escape(refusal.jupyterhub_message))
                await self._show(said + _sign_in(self.authenticator.login_service))
                return
            self._jupyterhub_user = user
        self.redirect(self.get_next_url(user))

    async def _show(self, text: str) -> None:
        """Show the login page with a text, which is a Jinja template as the authenticator's `custom_html` is."""
        target = self.get_argument("next", default="")
        login_url = url_concat(self.authenticator.login_url(self.hub.base_url), {"next": target})
        page = Template(text).render(
            next=url_escape(target),
            xsrf=self.xsrf_token.decode("ascii"),
            authenticator_login_url=html.escape(login_url),
        )
        self.finish(await self.render_template("login.html", custom_html=page, authenticator=self.authenticator))

    async def authenticate(self, data: Any) -> dict[str, Any]:
        """Return a new guest, where JupyterHub would ask the authenticator who somebody is."""
        model: dict[str, Any] = await self.authenticator.guests.new_guest(self)
        return model
