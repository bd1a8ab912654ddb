"""What a person chooses for a server: the form, the options' check, and what KubeSpawner then applies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyterhub.utils import maybe_future
from kubespawner import KubeSpawner
from tornado.web import HTTPError
from traitlets import TraitError, default

from jhkube.options_form import form
from jhkube.options_form.links import check_link
from jhkube.options_form.menu import ImageMenu, NoSuchImage
from jhkube.options_form.profiles import (
    Available,
    Choice,
    OptionError,
    available_for,
    chosen,
    parse_profiles,
    profile_list,
)
from jhkube.pod.limits import Usage, ceiling_for, gpu_count, over_ceiling, pod_usage
from jhkube.pod.mounts import claim_in_use, mounts_for
from jhkube.prepull.placement import Placement, placement_of
from jhkube.prepull.ready import ReadyImages
from jhkube.spawner_config import SpawnerConfig

__all__ = ["NO_SERVER", "UNMAKEABLE", "ChoosingSpawner", "Refused"]

FIRST_MENU_TIMEOUT = 5.0
"""Seconds that somebody waits for the very first menu of a hub that never had one."""


NO_SERVER = "What was chosen and configured makes no server. Choose something else, or tell your administrator."

UNMAKEABLE = (AttributeError, LookupError, TraitError, TypeError, ValueError)
"""What KubeSpawner's templates and traits raise for a text that they do not take.

It may be one that somebody typed, or is called by, so it is no error of the hub's own: of those it counts some in a
row and ends itself (`consecutive_failure_limit`).
"""


class Refused(HTTPError):
    """A start that cannot be: 400, with a sentence that the hub shows to the person."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)
        self.jupyterhub_message = message


class ChoosingSpawner(SpawnerConfig, KubeSpawner):
    """KubeSpawner with a menu of images that follows the registry, and options that are checked before a start."""

    _menu: ImageMenu | None = None
    _ready_images: ReadyImages | None = None
    _choice: Choice | None = None
    _refused: tuple[Any, OptionError] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.image_menu = None if kwargs.get("_mock") else self.running_menu(self.config)
        if self.image_menu is not None:
            # The operator's own profiles stand beside the computed one.
            self._static_profiles = parse_profiles(self.profile_list)
            self.profile_list = _computed_profiles
            self._watch_nodes()

    @classmethod
    def running_menu(cls, config: Any) -> ImageMenu | None:
        """Return the process's image menu, begun at the first call; None where no repository is configured."""
        if ChoosingSpawner._menu is None:
            menu = ImageMenu(config=config)
            if not menu.repositories:
                return None
            if menu.credentials_secret:
                # The Secret is read by a client that any spawner configures, and that stays as it was first made.
                cls(_mock=True, config=config)
            menu.start()
            ChoosingSpawner._menu = menu
        return ChoosingSpawner._menu

    def _watch_nodes(self) -> None:
        """Begin to watch for images that are ready, once for all spawners of the process."""
        if self.mark_ready_images and ChoosingSpawner._ready_images is None:
            ready = ReadyImages(config=self.config, log=self.log, placement=self.placement())
            ready.begin()
            ChoosingSpawner._ready_images = ready

    @property
    def _groups(self) -> tuple[str, ...]:
        return tuple(group.name for group in self.user.groups)

    @default("options_form")
    def _options_form_default(self) -> Any:
        return self._rendered_form if self.image_menu else super()._options_form_default()

    @default("options_from_form")
    def _options_from_form_default(self) -> Any:
        return self._options_of_form if self.image_menu else super()._options_from_form_default()

    async def _options_of_form(self, formdata: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a form chose; a wrong option is refused here, before the hub remembers it."""
        options = form.options_from_form(formdata)
        await self._choose(options)
        return options

    async def options_from_query(self, query_data: Mapping[str, Any]) -> Any:
        """Return what a link chose; what only a person may decide is shown to them, and not started.

        Any web page can send a browser to a link. An image of its maker's own would run with the home and the token
        of whoever follows it; a fresh environment moves their files, and the largest size is paid for.
        """
        if self.image_menu is None:
            return await maybe_future(super().options_from_query(query_data))
        options = form.options_from_form(query_data)
        await self._choose(options, is_link=True)
        return options

    @default("apply_user_options")
    def _apply_user_options_default(self) -> Any:
        # Here a wrong option is an answer at the form, before anything of a start has happened.
        return ChoosingSpawner._choose

    def placement(self) -> Placement:
        """Return where labs can run: what all of them have, and what the sizes add."""
        return placement_of(
            self.parsed_sizes(),
            node_selector=self.node_selector,
            required_terms=self._sorted_dict_values(self.node_affinity_required),
            tolerations=self._sorted_dict_values(self.tolerations),
        )

    def available(self) -> Available:
        """Return what the person may choose from now."""
        assert self.image_menu is not None
        groups = self._groups
        return available_for(
            groups,
            self.image_menu.offer_for(groups),
            self.parsed_sizes(),
            self.parsed_presets(),
            self._static_profiles,
            is_ready=self._ready_images.has if self._ready_images else lambda image: False,
        )

    async def _rendered_form(self, _: Any = None) -> str:
        await self._first_menu()
        options, errors = self.user_options or self.orm_spawner.user_options, []
        if self._refused:
            (options, error), self._refused = self._refused, None
            errors = [error]
        return form.render(self.available(), options, now=time.time(), errors=errors)

    async def _first_menu(self) -> None:
        """Wait a moment for the registry where nothing at all is known yet, not even by an earlier hub."""
        if self.image_menu and not self.image_menu.is_settled:
            try:
                await asyncio.wait_for(self.image_menu.refresh(), FIRST_MENU_TIMEOUT)
            except TimeoutError:
                self.log.warning("The registry has not answered yet; the form has no images to offer")

    async def _choose(self, options: Any, *, is_link: bool = False) -> None:
        """Check options, whichever way they came in, and keep what they stand for."""
        await self._first_menu()
        try:
            choice = chosen(options, self.available()) if self.image_menu else None
            if choice is not None and is_link:
                check_link(choice, self.available())
            if choice is not None and choice.is_custom and self.pod_settings().home.is_open_to_images:
                self.log.error("%s is refused: it would make homes as root; name home_make_image", choice.image)
                raise OptionError(
                    "image",
                    "An image of your own cannot be started here: it would reach the homes of others. "
                    "Choose one that is offered, or tell the hub's operators.",
                )
            await self._check_room(choice)
            self._choice = await self._looked_up(choice) if choice else None
        except BaseException as error:
            self._choice = None
            if not isinstance(error, OptionError):
                raise
            # The hub renders the form of the default server again, whichever server was asked for.
            self._refused = self.user.spawner._refused = (options, error)
            raise Refused(error.message) from None

    async def _check_room(self, choice: Choice | None) -> None:
        """Refuse a start that is one too many for the person's ceiling, or for a claim of one pod at a time."""
        mounts = mounts_for(self.pod_settings().mounts, self._groups)
        if not self.ceilings and not any(mount.exclusive for mount in mounts):
            return
        await self._start_watching_pods()
        ceiling = ceiling_for(self.parsed_ceilings(), self.user.name, self._groups)
        if sentence := over_ceiling(self._others(), self._usage(choice), ceiling):
            raise OptionError("size", sentence)
        pods = self.pod_reflector.pods.values()
        if sentence := claim_in_use(mounts, pods, namespace=self.namespace, pod_name=self.pod_name):
            raise OptionError("", sentence)
        # Counted from now on: another server of the person's may be checked while this one's image is looked up.
        self._choice = choice

    def _others(self) -> list[Usage]:
        """Return what the person's other servers may use."""
        return [each._usage() for each in self.user.spawners.values() if each is not self and each.active]

    def _usage(self, choice: Choice | None = None) -> Usage:
        """Return what the server may use: by its pod, by what was chosen, or by the limits that are configured."""
        choice = choice or self._choice
        pod = self.pod_reflector.pods.get(self._pod_key) if choice is None else None
        if pod is not None:
            return pod_usage(pod)
        if choice is None or choice.size is None:
            gpus = gpu_count(self.extra_resource_limits)
            return Usage(float(self.cpu_limit or 0), int(self.mem_limit or 0), gpus, self.name)
        return Usage(choice.size.cores, choice.size.memory, choice.size.gpus, self.name)

    @property
    def _pod_key(self) -> str:
        return f"{self.namespace}/{self.pod_name}"

    async def _looked_up(self, choice: Choice) -> Choice:
        """Return the choice with the digest that its image has now."""
        assert self.image_menu is not None
        try:
            if choice.is_custom:
                offer = self.available().images
                assert offer is not None
                return replace(choice, entry=await self.image_menu.check_custom_image(choice.image, offer))
            if choice.entry is not None:
                return replace(choice, entry=await self.image_menu.resolved(choice.entry))
        except NoSuchImage as error:
            raise OptionError("image", str(error)) from None
        return choice

    async def load_user_options(self) -> None:
        """Let KubeSpawner apply what was chosen; every way to a start passes here."""
        if self._choice is None:
            await self._choose(self.user_options)
        asked = self.user_options
        if self._choice is not None:
            self.user_options = self._choice.to_options()
        try:
            await super().load_user_options()
        except UNMAKEABLE:
            self.log.exception("%s: %s cannot be applied", self._log_name, self.user_options)
            raise Refused(NO_SERVER) from None
        finally:
            self.user_options = asked
        if self.ceilings and (self._choice is None or self._choice.size is None):
            # What a profile of the operator's own asks for is known only now that KubeSpawner has applied it.
            ceiling = ceiling_for(self.parsed_ceilings(), self.user.name, self._groups)
            if sentence := over_ceiling(self._others(), self._usage(), ceiling):
                raise Refused(sentence)

    def clear_state(self) -> None:
        """Forget what was chosen for the last start."""
        super().clear_state()
        self._choice = None


def _computed_profiles(spawner: ChoosingSpawner) -> list[dict[str, Any]]:
    return profile_list(spawner.available(), spawner._choice)
