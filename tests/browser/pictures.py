"""Pictures that the browser tests take, and those of them that the documentation shows: these may not age.

Each test run leaves its pictures in `.run/screenshots`. Where the documentation has one of the same name, the words
on both and a coarse view of both have to agree; `make screenshots` takes the new ones over.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import jupyterhub
from PIL import Image, ImageChops, ImageStat
from playwright.async_api import Page

from tests.conftest import RUN
from tests.pages import DOCS

TAKEN = RUN / "screenshots"
SHOWN = DOCS / "screenshots"

WORDS = SHOWN / "words.json"
"""What is to be read on the pictures of the documentation, with # for each number."""

TAKE_OVER = "TAKE_SCREENSHOTS"
"""The variable with which a run takes its pictures over into the documentation."""

COARSE = (40, 30)
"""Columns and rows of the view in which pictures are compared: what fonts and numbers change is not seen in it."""

TOLERANCE = 6.0
"""How far two coarse views may be apart, of 255, in the mean."""

LAYOUT = 0.1
"""How far two pictures' proportions may be apart."""


def distance(one: Path, other: Path) -> float:
    """Return how far apart two pictures look, of 255; 255 where their proportions differ."""
    with Image.open(one) as first, Image.open(other) as second:
        proportions = [each.height / each.width for each in (first, second)]
        if abs(proportions[0] / proportions[1] - 1) > LAYOUT:
            return 255.0
        views = [each.convert("RGB").resize(COARSE, Image.Resampling.BOX) for each in (first, second)]
    means = ImageStat.Stat(ImageChops.difference(*views)).mean
    return sum(means) / len(means)


async def picture(page: Page, name: str, *, words: str = "", height: int = 0) -> None:
    """Take a picture, and hold the documentation's of that name against it.

    Parameters
    ----------
    page
        What to take it of: the whole page, however long it is.
    name
        The picture's name, without `.png`.
    words
        A selector of what has to be read on it word by word; none, where the words are not jhkube's.
    height
        Only so many pixels from the top.
    """
    TAKEN.mkdir(parents=True, exist_ok=True)
    taken, shown = TAKEN / f"{name}.png", SHOWN / f"{name}.png"
    width = page.viewport_size["width"] if page.viewport_size else 0
    if height:
        await page.screenshot(
            path=taken, clip={"x": 0, "y": 0, "width": width, "height": height}, animations="disabled"
        )
    else:
        await page.screenshot(path=taken, full_page=True, animations="disabled")
    # The documentation shows the newest hub.
    if not shown.exists() or jupyterhub.version_info[0] < 6:
        return
    read = re.sub(r"\d+", "#", " ".join((await page.locator(words).first.inner_text()).split())) if words else ""
    known = json.loads(WORDS.read_text("utf-8"))
    if os.environ.get(TAKE_OVER):
        shutil.copyfile(taken, shown)
        WORDS.write_text(
            json.dumps(known | {name: read}, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8"
        )
        return
    stale = f"{shown.name} in the documentation is of old; look at {taken}, then run `make screenshots`"
    assert read == known.get(name), stale
    assert distance(taken, shown) <= TOLERANCE, stale
