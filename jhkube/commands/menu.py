"""`jhkube menu`: what people of some groups would be offered, and how it was found."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from traitlets.config import Config

from jhkube.checks.configured import ConfigurationError
from jhkube.commands.frame import set_up
from jhkube.images.entries import MenuEntry
from jhkube.images.menu import ImageMenu
from jhkube.images.offers import Offer

__all__ = ["add_arguments", "run"]

ANSWERED, UNANSWERED = 0, 1
"""The exit status: every registry answered; one did not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Ask the registries, and print the images that people in the given groups are offered. The exit status"
        " is 0 if every registry answered, 1 if one did not, and 2 if the configuration is wrong.",
    )
    parser.add_argument("--group", action="append", default=[], help="a hub group; may be repeated")
    parser.add_argument("--all", action="store_true", help="also print the images that people find only by search")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Print the menu and return the exit status."""
    return asyncio.run(_menu(config, arguments))


async def _menu(config: Config, arguments: argparse.Namespace) -> int:
    # Not from the hub's own cache: the question is whether the registries answer.
    menu = ImageMenu(config=config, cache_file="")
    if not menu.repositories:
        raise ConfigurationError(
            "c.ImageMenu.repositories (JHKUBE_REPOSITORIES) is empty: there is no menu; "
            "people get c.KubeSpawner.image"
        )
    try:
        await menu.configured_accounts()
    except (OSError, ValueError) as error:
        # The hub goes on without them, too.
        print(f"jhkube menu: the accounts for the registries cannot be read: {error}", file=sys.stderr)
    try:
        await menu.refresh()
        return _printed(menu, arguments)
    finally:
        await menu.stop()


def _printed(menu: ImageMenu, arguments: argparse.Namespace) -> int:
    offer = menu.offer_for(arguments.group)
    entries = offer.all_entries if arguments.all else offer.entries
    if arguments.json:
        print(json.dumps(_as_json(menu, offer, entries, arguments.group), indent=2, ensure_ascii=False))
    else:
        _print_table(menu, offer, entries)
    return UNANSWERED if menu.failures else ANSWERED


def _as_json(menu: ImageMenu, offer: Offer, entries: Iterable[MenuEntry], groups: Collection[str]) -> dict[str, Any]:
    return {
        "groups": list(groups),
        "images": [
            {
                "reference": entry.reference,
                "display_name": entry.display_name,
                "kind": entry.tag.kind.value,
                "tags": [tag.tag for tag in entry.tags],
                "digest": entry.digest,
                "default": entry is offer.default,
            }
            for entry in entries
        ],
        "all_tags": offer.all_entries_allowed,
        "custom_images": list(offer.custom_patterns),
        "requests": menu.requests,
        "errors": {name: str(error) for name, error in menu.failures.items()},
    }


def _print_table(menu: ImageMenu, offer: Offer, entries: Sequence[MenuEntry]) -> None:
    if entries:
        _print_images(offer, entries)
    else:
        print("No image is offered.")
    asked = ", ".join(f"{count} for {what}" for what, count in sorted(menu.requests.items()))
    print(f"Asked {', '.join(menu.repositories)}: {asked or 'no requests'}.")
    for name, error in menu.failures.items():
        print(f"{name}: {error}", file=sys.stderr)


def _print_images(offer: Offer, entries: Sequence[MenuEntry]) -> None:
    rows = [("", "IMAGE", "KIND", "NAME", "DIGEST")]
    for entry in entries:
        mark = "*" if entry is offer.default else ""
        rows.append((mark, entry.reference, entry.tag.kind.value, entry.display_name, entry.digest[:19]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    more = len(offer.all_entries) - len(offer.entries)
    print(f"\n* is chosen beforehand. {more} more can be had by search." if more else "\n* is chosen beforehand.")
