"""How long the form takes for 10,000 tags, and how much is sent: `python benchmarks/form.py`.

Measured beside KubeSpawner's own form for the same images, each as a choice of its profile_list.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import kubespawner
from jinja2 import Environment, FileSystemLoader

from jhkube.options_form import tag_index
from jhkube.options_form.entries import Menu, MenuEntry
from jhkube.options_form.form import render
from jhkube.options_form.offer import DEFAULT_OFFERS, offer_for, parse_offers
from jhkube.options_form.profiles import Available, available_for, chosen, profile_list
from jhkube.options_form.sizes import DEFAULT_SIZES, parse_sizes
from jhkube.options_form.tags import parse_tag, sort_tags

LIMIT_MS = 30.0
LIMIT_BYTES = 300_000
NOW = 1_795_000_000.0


def tag_names(count: int) -> list[str]:
    """Return tags as a busy repository of ten years has them."""
    names = ["recommended", "latest", "latest_weekly", *(f"r{major}_0_0" for major in range(17, 29))]
    names += [f"w_{year}_{week:02}" for year in range(2016, 2027) for week in range(1, 53)]
    names += [
        f"d_{year}_{month:02}_{day:02}"
        for year in range(2016, 2027)
        for month in range(1, 13)
        for day in range(1, 29)
    ]
    names += [f"exp_w_2026_{number % 52 + 1:02}_ticket{number:05}" for number in range(count)]
    return names[:count]


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


def main() -> int:
    """Measure, print, and fail where a limit is passed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tags", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=50)
    arguments.add_argument("--json", action="store_true", help="print the numbers as JSON")
    given = arguments.parse_args()

    menu = new_menu(tag_names(given.tags))
    available = offered(menu)
    html = render(available, {}, now=NOW)
    cold = milliseconds(lambda: render(available, {}, now=NOW), given.rounds, tag_index._made.clear)
    warm = milliseconds(lambda: render(available, {"image": "w_2026_40"}, now=NOW), given.rounds)
    spawn = milliseconds(lambda: profile_list(available, chosen({"image": "w_2020_40"}, available)), given.rounds)
    upstream = milliseconds(lambda: upstream_form(menu), 5)
    numbers = {
        "tags": given.tags,
        "form, first after a refresh: median ms": round(statistics.median(cold), 2),
        "form, first after a refresh: worst ms": round(max(cold), 2),
        "form, any other: median ms": round(statistics.median(warm), 2),
        "form: bytes": len(html.encode()),
        "options checked and profile_list made: median ms": round(statistics.median(spawn), 2),
        "KubeSpawner's form: median ms": round(statistics.median(upstream), 2),
        "KubeSpawner's form: bytes": len(upstream_form(menu).encode()),
    }
    if given.json:
        print(json.dumps(numbers, indent=2))
    else:
        for name, number in numbers.items():
            print(f"{name:55} {number:>12,}")
    good = statistics.median(cold) < LIMIT_MS and len(html.encode()) < LIMIT_BYTES
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
