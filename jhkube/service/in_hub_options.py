# mypy: allow-untyped-calls
"""The handler in the hub's process that says what a person may choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from jhkube.options_form.choice import Available
from jhkube.options_form.chosen import chosen, entry_value
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.presets import ClusterPreset
from jhkube.options_form.sizes import default_size
from jhkube.service.hub_config import GATEWAY_SCOPE

__all__ = ["OptionsHandler", "speaks_for"]


def speaks_for(handler: APIHandler, user: Any) -> bool:
    """Say whether a request is a person's own, or that of a gateway that may ask for them."""
    current = handler.current_user
    is_self = getattr(current, "orm_user", None) is not None and current.name == user.name
    return is_self or bool(handler.has_scope(f"{GATEWAY_SCOPE}!user={user.name}"))


def _may_start(handler: APIHandler, user: Any) -> bool:
    """Say whether a request may start a person's servers, and so may learn which options are refused."""
    return any(handler.has_scope(f"{scope}!user={user.name}") for scope in ("servers", "start:servers"))


class OptionsHandler(APIHandler):
    """What a person may choose now; a POST says whether a choice can be taken."""

    def _spawner(self, user_name: str, may: Callable[[APIHandler, Any], bool] = speaks_for) -> Any:
        user = self.find_user(user_name)
        if user is None or not may(self, user):
            raise web.HTTPError(404)
        return user.spawner

    @needs_scope("read:servers")
    async def get(self, user_name: str) -> None:
        """Write the options, by the schema `Options`."""
        spawner = self._spawner(user_name)
        menu = getattr(spawner, "image_menu", None)
        if menu is not None:
            await spawner.first_menu()
        available = await spawner.available() if menu is not None else Available(reset_environment=False, debug=False)
        ceiling = getattr(spawner, "ceiling", None)
        sizes = spawner.own_sizes() if menu is not None else ()
        self.write(
            {
                **_choices(available),
                "gpu_resources": sorted({each.gpu_resource for each in sizes if each.gpus}),
                "ceiling": {name: getattr(ceiling, name, None) for name in ("cores", "memory", "gpus", "servers")},
                "named_servers": bool(self.allow_named_servers),
            }
        )

    @needs_scope("read:servers")
    async def post(self, user_name: str) -> None:
        """Answer 204, or 400 with the option that cannot be taken."""
        spawner = self._spawner(
            user_name, lambda handler, user: speaks_for(handler, user) or _may_start(handler, user)
        )
        options = (self.get_json_body() or {}).get("options")
        if getattr(spawner, "image_menu", None) is not None:
            await spawner.first_menu()
            try:
                chosen(options, await spawner.available())
            except OptionError as error:
                self.set_status(400)
                self.write({"message": error.message, "field": error.field})
                return
        self.set_status(204)


def _choices(available: Available) -> dict[str, Any]:
    """Return what there is to choose from, by the schema `Options`."""
    images = available.images
    default = default_size(available.sizes) if available.sizes else None
    return {
        "images": [
            {
                "value": entry_value(entry, images),
                "display_name": entry.display_name,
                "reference": entry.reference,
                "default": images.default is not None and entry.reference == images.default.reference,
            }
            for entry in images.entries
        ]
        if images
        else [],
        "all_images": bool(images and images.all_entries_allowed),
        "custom_images": bool(images and images.custom_allowed),
        "sizes": [
            {
                "value": size.name,
                "display_name": size.display_name,
                "description": size.description,
                "cores": size.cores,
                "memory": size.memory,
                "gpus": size.gpus,
                "gpu_resource": size.gpu_resource if size.gpus else "",
                "default": size is default,
            }
            for size in available.sizes
        ],
        "presets": [
            {
                "value": preset.name,
                "display_name": preset.display_name,
                "description": preset.description,
                "default": preset.is_default,
                "labels": list(preset.labels_to_choose) if isinstance(preset, ClusterPreset) else [],
            }
            for preset in available.presets
        ],
        "profiles": [
            {"value": str(each["slug"]), "display_name": str(each.get("display_name", each["slug"]))}
            for each in available.profiles
        ],
        "default_profile": available.default_profile,
        "repository_hosts": list(available.repositories.hosts),
        "environment": [
            {
                "name": each.name,
                "display_name": each.display_name,
                "description": each.description,
                "values": list(each.values),
                "pattern": each.pattern,
            }
            for each in available.variables
        ],
        "secrets": list(available.secrets or ()),
        "disks": None if available.disks is None else list(available.disks),
        "reset_environment": available.reset_environment,
        "debug": available.debug,
        "errors": list(images.errors) if images else [],
    }
