"""The image of a choice, looked up: its digest, or a repository's own image in the place of the default."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jhkube.images.entries import MenuEntry
from jhkube.images.image_name import NoSuchImage
from jhkube.images.menu import ImageMenu
from jhkube.images.offers import Offer
from jhkube.options_form.choice import Choice
from jhkube.options_form.option_values import OptionError

__all__ = ["FOUND_FOR", "FoundImage", "looked_up"]

FOUND_FOR = 60.0
"""Seconds for which a start takes what a form has just found out about its image."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that a form has looked up, for the start that comes after it."""

    image: str
    """As it was asked for."""

    entry: MenuEntry
    """With the digest."""

    until: float
    """Until when the digest is taken for that of the image, by the monotonic clock."""


async def looked_up(choice: Choice, menu: ImageMenu, offer: Offer, *, listed_only: bool) -> Choice:
    """Return a choice whose image has the digest that it has now, if an image is chosen at all.

    A repository's own image is taken in the place of the default one where it can be. Where it cannot, that is no
    reason to refuse a start: the choice has a `warning` then.

    Parameters
    ----------
    choice
        What somebody chose, checked.
    menu
        What asks the registry, if nobody did before.
    offer
        The images that the person may choose from now.
    listed_only
        Whether a repository's own image has to be on the menu.

    Raises
    ------
    OptionError
        Where the image does not exist, or could not be looked up.
    """
    if choice.own_image:
        try:
            entry = await _own_entry(choice.own_image, menu, offer, listed_only=listed_only)
            return replace(choice, image=choice.own_image, entry=entry, own_image="")
        except NoSuchImage as error:
            warning = (
                f"Your server runs {choice.image} and not {choice.own_image}, the image of your repository. {error}"
            )
            choice = replace(choice, own_image="", warning=warning)
    try:
        if choice.is_custom:
            return replace(choice, entry=await menu.check_custom_image(choice.image, offer))
        return choice if choice.entry is None else replace(choice, entry=await menu.resolved(choice.entry))
    except NoSuchImage as error:
        raise OptionError("image", str(error)) from None


async def _own_entry(image: str, menu: ImageMenu, offer: Offer, *, listed_only: bool) -> MenuEntry:
    """Return a repository's own image with its digest.

    Raises
    ------
    NoSuchImage
        Where it does not exist, or this person may not run it.
    """
    entry = offer.find(image)
    if entry is not None:
        return await menu.resolved(entry)
    if listed_only:
        raise NoSuchImage("Images that are not on the list cannot be started on this hub.")
    return await menu.check_custom_image(image, offer)
