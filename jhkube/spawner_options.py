"""What a person chooses for a server: the form, the options' check, and what KubeSpawner then applies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from jupyterhub.utils import maybe_future
from kubespawner import KubeSpawner
from tornado.web import HTTPError
from traitlets import TraitError, default

from jhkube.images.menu import ImageMenu
from jhkube.images.offers import Offer
from jhkube.operator_models import ConfigError
from jhkube.options_form import form
from jhkube.options_form.choice import Available, Choice, available_for
from jhkube.options_form.chosen import chosen
from jhkube.options_form.links import check_link
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.presets import ClusterPreset, Preset
from jhkube.options_form.profiles import parse_profiles, profile_list
from jhkube.pod.nodes import Placement, placement_of
from jhkube.spawner_images import FOUND_FOR, FoundImage, looked_up
from jhkube.spawner_room import CountedSpawner
from jhkube.watch.nodes import ReadyImages

__all__ = ["NO_SERVER", "UNMAKEABLE", "ChoosingSpawner", "StartRefused"]

FIRST_MENU_TIMEOUT = 5.0
"""Seconds that somebody waits for the very first menu of a hub that never had one."""

NO_SERVER = (
    "This combination of image, size and settings cannot be started. "
    "Choose something else, or tell your administrator."
)

UNMAKEABLE = (AttributeError, LookupError, TraitError, TypeError, ValueError)
"""What KubeSpawner's templates and traits raise for a text that they do not take.

It may be one that somebody typed, or is called by, so it is no error of the hub's own: of those it counts some in a
row and ends itself (`consecutive_failure_limit`).
"""


class StartRefused(HTTPError):
    """A start that cannot be: 400, with a sentence that the hub shows to the person."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)
        self.jupyterhub_message = message


class ChoosingSpawner(CountedSpawner):
    """KubeSpawner with a menu of images that follows the registry, and options that are checked before a start."""

    _menu: ImageMenu | None = None
    _ready_images: ReadyImages | None = None
    _static_profiles: tuple[dict[str, Any], ...] | Callable[[KubeSpawner], Any] = ()
    _found: FoundImage | None = None
    _refused: tuple[Any, OptionError] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.image_menu = None if kwargs.get("_mock") else self.running_menu(self.config)
        if self.image_menu is not None:
            # The operator's own profiles are listed with the computed one.
            own = self.profile_list
            self._static_profiles = own if callable(own) else parse_profiles(own)
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

    @default("options_form")
    def _options_form_default(self) -> Any:
        return self._rendered_form if self.image_menu else super()._options_form_default()

    @default("options_from_form")
    def _options_from_form_default(self) -> Any:
        return self._options_of_form if self.image_menu else super()._options_from_form_default()

    async def _options_of_form(self, formdata: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a form chose; a wrong option is refused here, before the hub remembers it."""
        options = form.options_from_form(formdata)
        await self._check(options)
        return options

    async def options_from_query(self, query_data: Mapping[str, Any]) -> Any:
        """Return what a link chose; what only a person may decide is shown to them, and not started.

        Any web page can send a browser to a link. An image of its maker's own would run with the home and the token
        of whoever follows it; a fresh environment moves their files, and the largest size is paid for.
        """
        if self.image_menu is None:
            return await maybe_future(super().options_from_query(query_data))
        options = form.options_from_form(query_data)
        await self._check(options, self._check_link)
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

    async def available(self) -> Available:
        """Return what the person may choose from now."""
        assert self.image_menu is not None
        groups = self._groups
        profiles = await self._profiles_now()
        return available_for(
            groups,
            self._offer(self.image_menu),
            self.own_sizes(),
            await self._presets_now(),
            [each for each in profiles if each.get("groups") or not self.is_guest],
            repositories=self.parsed_repositories(),
            variables=self._named_ours(self.parsed_variables()),
            secrets=await self.own_secret_names() if self.own_secrets and not self.is_guest else None,
            disks=await self.own_disk_names() if self.own_disks and not self.is_guest else None,
            is_ready=self._ready_images.has if self._ready_images else lambda image: False,
        )

    async def _presets_now(self) -> tuple[Preset, ...]:
        """Return the operator's presets, and those of the cluster that have no name of one of them."""
        ours = tuple(self._named_ours(self.parsed_presets()))
        names = {each.name for each in ours}
        return ours + tuple(each for each in await self.cluster_presets() if each.name not in names)

    async def cluster_presets(self) -> tuple[ClusterPreset, ...]:
        """Return what of the cluster the person may choose as a preset."""
        return ()

    async def own_secret_names(self) -> tuple[str, ...]:
        """Return the names of the secrets that are surely the person's."""
        return ()

    async def own_disk_names(self) -> tuple[str, ...]:
        """Return the names of the claims that are surely the person's."""
        return ()

    async def _profiles_now(self) -> tuple[dict[str, Any], ...]:
        """Return the operator's own profiles; a callable `profile_list` is asked each time, as by KubeSpawner."""
        own = self._static_profiles
        try:
            return parse_profiles(await maybe_future(own(self)) or ()) if callable(own) else own
        except ConfigError as error:
            self.log.error("The profiles that the callable KubeSpawner.profile_list returns are left out: %s", error)
            return ()

    async def _rendered_form(self, _: Any = None) -> str:
        await self.first_menu()
        options, errors = self._last_options(), []
        if self._refused:
            (options, error), self._refused = self._refused, None
            errors = [error]
        available = await self.available()
        options, notices = (options, {}) if errors else self._advised(options, available)
        self._form_shown(available, options)
        return form.render(
            available, options, now=time.time(), errors=errors, notices=notices, ahead=self._ahead_questions()
        )

    def _last_options(self) -> Any:
        """Return the options of the last start."""
        return self.user_options or self.orm_spawner.user_options

    def _advised(self, options: Any, available: Available) -> tuple[Any, dict[str, str]]:
        """Return the options that the form begins with, and what the person should know, a sentence by field."""
        return options, {}

    def _form_shown(self, available: Available, options: Any) -> None:
        """Called when the person is about to read the form, with what it preselects from."""

    def _ahead_questions(self) -> form.AheadQuestions | None:
        """Return where the form asks for a pod that is made in advance; None where there is none."""
        return None

    async def first_menu(self) -> None:
        """Wait a moment for the registry where nothing at all is known yet, not even by an earlier hub."""
        if self.image_menu and not self.image_menu.is_settled:
            try:
                await asyncio.wait_for(self.image_menu.refresh(), FIRST_MENU_TIMEOUT)
            except TimeoutError:
                self.log.warning("The registry has not answered yet; the form has no images to offer")

    async def _check_link(self, choice: Choice) -> None:
        check_link(choice, await self.available())

    async def _check(self, options: Any, further: Callable[[Choice], Awaitable[None]] | None = None) -> None:
        """Check what a form or a link asks for.

        The server may be started by another request while this looks an image up, so nothing is kept here that
        a start counts or applies.
        """
        with self._refusing(options):
            choice = await self._allowed(options)
            if choice is not None and further is not None:
                await further(choice)
            await self._watch_room()
            self._check_room(choice)
            found = await self._looked_up(choice) if choice else None
        if found and found.entry and not self.active:
            self._found = FoundImage(found.image, found.entry, time.monotonic() + FOUND_FOR)

    async def _choose(self, options: Any) -> None:
        """Check the options of a start, whichever way they came in, and keep what they stand for."""
        try:
            with self._refusing(options):
                choice = await self._allowed(options)
                await self._watch_room()
                self._check_room(choice)
                # Counted from now on: another server of the person's may be checked while this one's image is
                # looked up.
                self._choice = choice
                found, self._found = self._found, None
                if choice is not None:
                    asked = choice.own_image or choice.image
                    if found and found.image == asked and time.monotonic() < found.until:
                        self._choice = replace(choice, image=asked, entry=found.entry, own_image="")
                    else:
                        self._choice = await self._looked_up(choice)
        except BaseException:
            self._choice = None
            raise

    @contextmanager
    def _refusing(self, options: Any) -> Iterator[None]:
        """Within the block, an option that cannot be taken is a refusal; the next form shows it next to its field."""
        try:
            yield
        except OptionError as error:
            self._note_refusal(options, error)
            raise StartRefused(error.message) from None

    def _note_refusal(self, options: Any, error: OptionError) -> None:
        # The hub renders the form of the default server again, whichever server was asked for.
        self._refused = self.user.spawner._refused = (options, error)

    async def _allowed(self, options: Any) -> Choice | None:
        """Return what options stand for, with nothing looked up; None where there is no menu."""
        if self.image_menu is None:
            return None
        await self.first_menu()
        choice = chosen(options, await self.available())
        if choice.is_custom and self.pod_settings().home.is_open_to_images:
            self.log.error("%s is refused: it would make homes as root; name home_make_image", choice.image)
            raise OptionError(
                "image",
                "You cannot start your own image here: it could access other people's homes. "
                "Choose one from the list, or tell the hub's operators.",
            )
        return choice

    async def _looked_up(self, choice: Choice) -> Choice:
        assert self.image_menu is not None
        listed_only = bool(choice.own_image) and self.pod_settings().home.is_open_to_images
        return await looked_up(choice, self.image_menu, self._offer(self.image_menu), listed_only=listed_only)

    def _offer(self, menu: ImageMenu) -> Offer:
        """Return the images that the person may choose from now."""
        return menu.offer_for(self._groups, prefer_named=self.is_guest)

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
            if self.image_menu is None:
                # No option is ours: KubeSpawner says what is wrong with its own.
                raise
            self.log.exception("%s: %s cannot be applied", self._log_name, self.user_options)
            raise StartRefused(NO_SERVER) from None
        finally:
            self.user_options = asked
        if sentence := self._count_applied():
            raise StartRefused(sentence)


async def _computed_profiles(spawner: ChoosingSpawner) -> list[dict[str, Any]]:
    return profile_list(await spawner.available(), spawner._choice)
