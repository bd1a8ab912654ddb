# mypy: allow-untyped-calls
"""A gateway before a front door, which logs people in itself and says in a header for whom it asks."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from jhkube.service.hub_config import GATEWAY_SCOPE
from jhkube.service.identification import SAFE_METHODS, Identified
from jhkube.service.refusals import Refusal

__all__ = ["GatewayMixin"]

USER_HEADER: Final = "kubeflow-userid"
"""The header by which a gateway says for whom it asks."""


class GatewayMixin(Identified):
    """Knows for whom a gateway asks: by a header that counts only with a service's token that has a scope for it."""

    def _asking(self, model: Mapping[str, Any]) -> str:
        scopes = {each.partition("!")[0] for each in model["scopes"]}
        if model.get("kind") != "service" or GATEWAY_SCOPE not in scopes:
            return super()._asking(model)
        # Of two headers one may be a browser's, which the gateway has let pass.
        named = [each.strip().removeprefix(":") for each in self.request.headers.get_list(USER_HEADER)]
        if len(named) != 1 or not named[0]:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                f"The gateway does not say for whom it asks. It has to send the header {USER_HEADER}, and only once.",
            )
        self._check_same_site()
        return named[0]

    def _check_same_site(self) -> None:
        """Refuse what a page of another site may have sent: the gateway knows a browser by its cookie alone.

        The hub's XSRF check is for its own cookies, and a request of a service's token passes it.
        """
        if self.request.method in SAFE_METHODS:
            return
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        site = self.request.headers.get("Sec-Fetch-Site", "none")
        # A browser asks before it sends JSON to another site, and nobody here says yes.
        if site not in ("same-origin", "none") or (self.request.body and kind != "application/json"):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "Through a gateway, a request that changes something has to come from its own site, with the "
                "Content-Type application/json.",
            )
