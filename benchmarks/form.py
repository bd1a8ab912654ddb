"""How long the form takes for thousands of tags, and how much is sent: `python -m benchmarks.form`.

Measured beside KubeSpawner's own form for the same images, each as a choice of its profile_list.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import kubespawner
from jinja2 import Environment, FileSystemLoader

from jhkube.images.entries import Menu, MenuEntry
from jhkube.images.offer_rules import DEFAULT_OFFERS, parse_offers
from jhkube.images.offers import offer_for
from jhkube.images.tags import parse_tag, sort_tags
from jhkube.options_form import tag_index
from jhkube.options_form.choice import Available, available_for
from jhkube.options_form.chosen import chosen
from jhkube.options_form.form import render
from jhkube.options_form.profiles import profile_list
from jhkube.options_form.sizes import DEFAULT_SIZES, parse_sizes

from .rows import Row, Target, emit
from .tags import lsst_tags

SIZES = (10, 1_000, 10_000)
NOW = 1_795_000_000.0
TARGET = Target(at_most=30.0)


def new_menu(names: list[str]) -> Menu:
    """Return a menu of these tags, the first twenty of them with a digest."""
    digests = {name: f"sha256:{index:064x}" for index, name in enumerate(names[:20])}
    tags = sort_tags(map(parse_tag, names))
    return Menu(tuple(MenuEntry("registry.example/lab", tag, digests.get(tag.tag, "")) for tag in tags), NOW)


def offered(menu: Menu) -> Available:
    """Return what somebody is offered of it."""
    return available_for([], offer_for(menu, parse_offers(DEFAULT_OFFERS), []), parse_sizes(DEFAULT_SIZES))


def milliseconds(work: Callable[[], object], rounds: int, before: Callable[[], object] = lambda: None) -> list[float]:
    """Return how long each of several rounds took."""
    times = []
    for _ in range(rounds):
        before()
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return times


def upstream_form(menu: Menu) -> str:
    """Return KubeSpawner's own form, with every image as a choice."""
    folder = Path(kubespawner.__file__).parent / "templates"
    choices = {entry.tag.tag: {"display_name": entry.display_name} for entry in menu.entries}
    option = {"display_name": "Image", "choices": choices, "unlisted_choice": {}}
    profile = {"slug": "lab", "display_name": "Lab", "default": True, "profile_options": {"image": option}}
    template = Environment(loader=FileSystemLoader(folder), autoescape=True).get_template("form.html")
    return template.render(profile_list=[profile], user_options={})


def measure(count: int, rounds: int) -> list[Row]:
    """Return what a form of so many tags costs."""

    def row(what: str, unit: str, jhkube: float, other: float, target: Target | None = None) -> Row:
        return Row("A form, from memory", "KubeSpawner's form", what, count, "tags", unit, jhkube, other, target)

    menu = new_menu(lsst_tags(count))
    available = offered(menu)
    html = render(available, {}, now=NOW)
    tag = menu.entries[0].tag.tag
    cold = milliseconds(lambda: render(available, {}, now=NOW), rounds, tag_index._made.clear)
    warm = milliseconds(lambda: render(available, {"image": tag}, now=NOW), rounds)
    spawn = milliseconds(lambda: profile_list(available, chosen({"image": tag}, available)), rounds)
    upstream = statistics.median(milliseconds(lambda: upstream_form(menu), min(rounds, 10)))
    return [
        row("render, first after a refresh", "ms", statistics.median(cold), upstream, TARGET),
        row("render, any other", "ms", statistics.median(warm), upstream, TARGET),
        row("sent", "kB", len(html.encode()) / 1000, len(upstream_form(menu).encode()) / 1000),
        Row(
            "A form, from memory",
            "KubeSpawner's form",
            "options checked, profile_list made",
            count,
            "tags",
            "ms",
            statistics.median(spawn),
        ),
    ]


def main() -> None:
    """Measure, and print rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args()
    for count in options.sizes:
        for each in measure(count, 5 if options.quick else 50):
            emit(each)


if __name__ == "__main__":
    main()
