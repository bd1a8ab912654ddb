"""The form's HTML, and what a browser's fields become."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.images.details import ImageDetails
from jhkube.images.entries import MenuEntry
from jhkube.images.offer_rules import parse_offers
from jhkube.images.offers import offer_for
from jhkube.images.tags import parse_tag
from jhkube.options_form.choice import Available, available_for
from jhkube.options_form.chosen import chosen
from jhkube.options_form.form import AheadQuestions, options_from_form, render
from jhkube.options_form.image_rows import age_text, size_text
from jhkube.options_form.option_values import OptionError
from jhkube.options_form.presets import parse_presets
from jhkube.options_form.profiles import parse_profiles
from jhkube.options_form.sizes import parse_sizes
from jhkube.options_form.tag_index import LARGEST, tag_index
from tests.menus import menu

NOW = 1_795_000_000.0
LAB = "registry.example/lab"
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
TAGS = {
    **{"recommended": "sha256:a", "w_2026_46": "sha256:a"},
    **{"w_2026_45": "", "w_2026_44": "", "w_2026_43": "", "exp_pinned": ""},
}
OFFERS: list[dict[str, Any]] = [
    {"kinds": {"alias": None, "weekly": 2}, "default": ["recommended"], "all_tags": True, "pinned": ["exp_pinned"]},
    {"groups": ["builders"], "custom_images": ["quay.io/.+"]},
]
SIZES = [{"name": "small", "cores": 1, "memory": "2G"}, {"name": "large", "cores": 4, "memory": "8G"}]
STATIC = [
    {
        "display_name": "Course",
        "description": "<b>bold</b>",
        "profile_options": {
            "week": {
                "choices": {"1": {"display_name": "One"}, "2": {"display_name": "Two"}},
                "unlisted_choice": {"enabled": True, "validation_regex": "[0-9]+"},
            }
        },
    }
]


class Page(HTMLParser):
    """The elements of a page: enough to ask for its fields."""

    VOID = frozenset({"input", "br", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[dict[str, str]] = []
        self.open: list[dict[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = {"tag": tag, "text": "", **{name: value or "" for name, value in attrs}}
        self.elements.append(element)
        if tag not in self.VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element["text"] += data

    def all(self, **attributes: str) -> list[dict[str, str]]:
        return [each for each in self.elements if attributes.items() <= each.items()]

    def one(self, **attributes: str) -> dict[str, str]:
        (found,) = self.all(**attributes)
        return found

    def checked(self, name: str) -> list[str]:
        return [each["value"] for each in self.all(name=name) if "checked" in each]

    def fields(self) -> dict[str, list[str]]:
        """Return what a browser would send."""
        sent: dict[str, list[str]] = {}
        for each in self.all(tag="input"):
            if each["type"] not in ("radio", "checkbox") or "checked" in each:
                sent.setdefault(each["name"], []).append(each.get("value", "on"))
        return sent


def available(
    *groups: str,
    tags: Any = None,
    details: Any = None,
    presets: Any = (),
    static: Any = (),
    refreshed_at: float | None = NOW - 125,
    errors: Any = (),
    ready: Any = (),
) -> Available:
    made = menu({LAB: TAGS if tags is None else tags}, refreshed_at, details, errors)
    return available_for(
        groups,
        offer_for(made, parse_offers(OFFERS), groups),
        parse_sizes(SIZES),
        parse_presets(presets),
        parse_profiles(static),
        is_ready=lambda image: image in ready,
    )


def page(offered: Available, options: Any = None, *errors: OptionError) -> Page:
    return Page(render(offered, options, now=NOW, errors=errors))


def test_every_element_is_closed() -> None:
    for offered in (available("builders", static=STATIC, presets=[{"name": "a"}]), Available()):
        assert page(offered).open == []


def test_what_a_browser_sends_at_once_is_the_defaults() -> None:
    offered = available("builders", presets=[{"name": "a", "default": True}, {"name": "b"}])
    options = options_from_form(page(offered).fields())
    assert chosen(options, offered) == chosen({}, offered)


def test_the_offered_images_are_listed_and_the_default_is_checked() -> None:
    shown = page(available())
    assert [each["value"] for each in shown.all(name="image")] == ["exp_pinned", "recommended", "w_2026_45", "*tag"]
    assert shown.checked("image") == ["recommended"]
    assert shown.checked("size") == ["small"]


def test_an_image_that_is_on_all_nodes_is_marked() -> None:
    plain = render(available(), now=NOW)
    assert "on all nodes" not in plain
    marked = render(available(ready=[f"{LAB}@sha256:a"]), now=NOW)
    assert marked.count("ready on all nodes") == 0, "one word is seen, three more are heard"
    assert re.sub(r"<[^>]+>", "", marked).count("ready on all nodes") == 1
    assert page(available(ready=[f"{LAB}@sha256:a"])).open == []


def test_the_last_choice_is_checked_again() -> None:
    last = {"image": "w_2026_45", "size": "large", "presets": ["a"], "debug": True}
    shown = page(available(presets=[{"name": "a"}]), last)
    assert shown.checked("image") == ["w_2026_45"]
    assert shown.checked("size") == ["large"]
    assert shown.checked("presets") == ["a"]
    assert "checked" in shown.one(name="debug")
    assert not shown.all(**{"class": "jhkube-notice"})


def test_who_took_an_image_by_its_own_name_keeps_that_name() -> None:
    shown = page(available(), {"image": "w_2026_46"})
    assert shown.checked("image") == ["w_2026_46"]
    assert options_from_form(shown.fields())["image"] == "w_2026_46"


def test_a_fresh_environment_is_not_asked_for_again() -> None:
    assert "checked" not in page(available(), {"reset_environment": True}).one(name="reset_environment")


def test_a_last_choice_that_is_gone_is_said_to_be_gone() -> None:
    shown = page(available(), {"image": "w_2020_01", "size": "huge"})
    assert shown.checked("image") == ["recommended"]
    assert shown.checked("size") == ["small"]
    assert shown.one(id="jhkube-image-said")["text"].startswith(
        "Your last image, w_2020_01, is not available any more; Recommended"
    )
    assert (
        shown.one(id="jhkube-size-said")["text"]
        == "Your last size, huge, is not available any more; Small is chosen."
    )


def test_an_image_beyond_the_list_stands_in_the_search() -> None:
    shown = page(available(), {"image": "w_2026_43"})
    assert shown.checked("image") == ["*tag"]
    assert shown.one(name="image_tag")["value"] == "w_2026_43"


def test_an_image_of_ones_own_stands_in_its_field() -> None:
    shown = page(available("builders"), {"image": "quay.io/me/mine:1"})
    assert shown.checked("image") == ["*custom"]
    assert shown.one(name="image_custom")["value"] == "quay.io/me/mine:1"
    assert not page(available()).all(name="image_custom")


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [({"image": "w_1999"}, "image_tag", "w_1999"), ({"image": "docker.io/x/y"}, "image_custom", "docker.io/x/y")],
)
def test_a_refused_image_stays_where_it_was_typed_with_the_error_beside_it(
    options: Any, field: str, value: str
) -> None:
    offered = available("builders")
    with pytest.raises(OptionError) as refused:
        chosen({**options, "size": "large"}, offered)
    shown = page(offered, {**options, "size": "large"}, refused.value)
    typed = shown.one(name=field)
    assert (typed["value"], typed["aria-invalid"]) == (value, "true")
    assert shown.one(id="jhkube-image-said")["text"] == refused.value.message
    assert "jhkube-image-said" in typed["aria-describedby"]
    assert shown.checked("size") == ["large"]


def test_an_error_of_any_field_stands_in_the_form() -> None:
    for field in ("", "profile", "image", "size", "presets", "debug", "reset_environment"):
        shown = page(available(static=STATIC), {}, OptionError(field, f"wrong {field}"))
        assert [each["text"] for each in shown.all(**{"class": "jhkube-error"})] == [f"wrong {field}"]


@pytest.mark.parametrize("options", [None, [], "x", 1, {"image": ["a"]}, {"size": {}}, {"presets": 1, "debug": "x"}])
def test_options_of_any_shape_make_a_form(options: Any) -> None:
    assert page(available(), options).checked("image") == ["recommended"]
    page(available(), options, OptionError("image", "wrong"))


def test_html_is_text_wherever_it_comes_from() -> None:
    details = {"sha256:a": ImageDetails(description=EVIL, title=EVIL)}
    offered = available(
        "builders",
        details=details,
        tags={f"w_2026_46{EVIL}": "", "w_2026_46": "sha256:a", EVIL: ""},
        errors=(EVIL,),
        presets=[{"name": "a", "display_name": EVIL, "description": EVIL}],
        static=[{**STATIC[0], "display_name": EVIL, "slug": EVIL}],
    )
    offered = replace(
        offered,
        sizes=tuple(each.model_copy(update={"display_name": EVIL, "description": EVIL}) for each in offered.sizes),
    )
    clean = page(available("builders", presets=[{"name": "a"}], static=STATIC))
    for options in ({}, {"image": EVIL}, {"image": EVIL, "size": EVIL, "profile": EVIL}):
        shown = page(offered, options, OptionError("image", EVIL))
        assert not shown.all(tag="img")
        assert len(shown.all(tag="script")) == len(clean.all(tag="script"))
        for script in shown.all(type="application/json"):
            assert EVIL in "".join("".join(group[2]) for group in json.loads(script["text"])["groups"])


def test_the_details_that_the_registry_tells_are_shown() -> None:
    created = datetime.fromtimestamp(NOW - 3 * 86400, UTC)
    details = {"sha256:a": ImageDetails(created=created, size=1_230_000_000, description="For science")}
    shown = page(available(details=details))
    about = shown.one(id="jhkube-image-2-1-about")["text"]
    assert " ".join(about.split()) == "w_2026_46 built 3 days ago 1.2 GB"
    assert shown.one(id="jhkube-image-2-1-more")["text"] == "For science"


def test_the_form_says_when_the_list_was_refreshed() -> None:
    (quiet,) = page(available()).all(tag="p")
    assert " ".join(quiet["text"].split()) == "List refreshed 2 minutes ago."


def test_the_form_says_in_one_line_that_the_registry_fails() -> None:
    (quiet,) = page(available(errors=("The registry did not answer at 10:32.",), refreshed_at=NOW - 3600)).all(
        tag="p"
    )
    assert " ".join(quiet["text"].split()) == (
        f"The registry did not answer at 10:32. This list is from "
        f"{datetime.fromtimestamp(NOW - 3600, UTC):%H:%M} UTC."
    )


def test_the_form_says_that_there_is_no_list_yet() -> None:
    (quiet,) = page(available(tags={}, refreshed_at=None, errors=("No answer.",))).all(tag="p")
    assert " ".join(quiet["text"].split()) == "No answer. There is no list of images yet."


def test_a_hub_of_one_image_shows_no_images() -> None:
    shown = page(available_for([], None, parse_sizes(SIZES)))
    assert not shown.all(name="image")
    assert shown.checked("size") == ["small"]


def test_static_profiles_stand_beside_the_computed_one() -> None:
    shown = page(available(static=STATIC))
    assert [each["value"] for each in shown.all(name="profile")] == ["lab", "course"]
    assert shown.checked("profile") == ["lab"]
    shown = page(available(static=STATIC), {"profile": "course", "week": "2"})
    assert shown.checked("profile") == ["course"]
    assert [each["value"] for each in shown.all(tag="option") if "selected" in each] == ["2"]


def test_a_value_typed_for_a_static_profile_is_kept() -> None:
    options = {"profile": "course", "week--unlisted-choice": "x"}
    shown = page(available(static=STATIC), options, OptionError("week", "A number, please."))
    assert [each["value"] for each in shown.all(tag="option") if "selected" in each] == ["unlisted-choice"]
    typed = shown.one(name="profile-option-course--week--unlisted-choice")
    assert (typed["value"], typed["aria-invalid"]) == ("x", "true")


def test_each_id_is_there_once_and_each_reference_finds_one() -> None:
    offered = available("builders", static=STATIC, presets=[{"name": "a", "description": "b"}])
    for errors in ((), (OptionError("image", "wrong"),)):
        shown = page(offered, {"image": "quay.io:1/x"}, *errors)
        ids = [each["id"] for each in shown.elements if "id" in each]
        assert len(ids) == len(set(ids))
        for element in shown.elements:
            for attribute in ("aria-describedby", "aria-labelledby", "for"):
                assert set(element.get(attribute, "").split()) <= set(ids), element


# All tags.


def decoded(index: Any) -> list[tuple[str, int | None]]:
    """Return tags and days, as the browser reads them."""
    found: list[tuple[str, int | None]] = []
    for _, prefix, names, steps in json.loads(index.json)["groups"]:
        days, last = steps.split(" "), 0
        for place, name in enumerate(names if isinstance(names, list) else names.split(" ")):
            step = days[place] if place < len(days) else ""
            last += int(step or 0)
            found.append((prefix + name, last if step else None))
    return found


def test_all_tags_are_in_the_block_with_their_dates() -> None:
    offered = available()
    assert offered.images is not None
    tags = decoded(tag_index(offered.images.all_entries))
    assert {tag for tag, _ in tags} == {
        "recommended",
        "w_2026_46",
        "w_2026_45",
        "w_2026_44",
        "w_2026_43",
        "exp_pinned",
    }
    assert dict(tags)["w_2026_46"] == (datetime(2026, 11, 9, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    assert dict(tags)["exp_pinned"] is None


def test_the_block_is_made_once_for_a_menu() -> None:
    entries = [MenuEntry(LAB, parse_tag(f"w_2026_{week:02}")) for week in range(1, 40)]
    index = tag_index(tuple(entries))
    assert tag_index(tuple(entries)) is index
    assert tag_index(tuple(entries[1:])) is not index
    for week in range(2, 12):
        tag_index(tuple(entries[week:]))
    assert tag_index(tuple(entries)) is not index


def test_ten_thousand_tags_stay_under_300_kb_with_the_newest_kept() -> None:
    for length in (12, 60, 120):
        tags = {f"{number:05}-{'x' * (length - 6)}": "" for number in range(10_000)}
        offered = available(tags=tags)
        assert offered.images is not None
        html = render(offered, {}, now=NOW)
        assert len(html.encode()) < 300_000
        index = tag_index(offered.images.all_entries)
        assert len(index.json) < LARGEST + 10_000
        assert json.loads(index.json)["complete"] == (length == 12)


def test_of_several_repositories_each_tag_says_whose_it_is() -> None:
    entries = tuple(MenuEntry(place, parse_tag("w_2026_46")) for place in (LAB, "other.example/lab"))
    assert [tag for tag, _ in decoded(tag_index(entries))] == [
        f"{LAB}:w_2026_46",
        "other.example/lab:w_2026_46",
    ]


# What comes back.


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"image": ["w_2026_46"], "size": ["small"]}, {"image": "w_2026_46", "size": "small"}),
        ({"image": ["*tag"], "image_tag": [" w_2026_40 "], "image_custom": ["x"]}, {"image": "w_2026_40"}),
        ({"image": ["*custom"], "image_tag": ["y"], "image_custom": ["quay.io/x"]}, {"image": "quay.io/x"}),
        ({"image": ["*tag"]}, {"image": ""}),
        ({"opt-image": ["w_2026_46"], "opt-size": ["small"]}, {"image": "w_2026_46", "size": "small"}),
        ({"image": ["w_2026_46"], "image_tag": ["typed, but not chosen"]}, {"image": "w_2026_46"}),
        ({"presets": [""]}, {"presets": []}),
        ({"presets": ["", "a", "b"]}, {"presets": ["a", "b"]}),
        ({"debug": ["on"], "reset_environment": ["on"]}, {"debug": True, "reset_environment": True}),
        ({"debug": ["true"]}, {"debug": True}),
        ({"debug": ["false"]}, {"debug": False}),
        ({"_xsrf": ["x"], "redirects": ["1"], "other": ["y"]}, {}),
        ({"size": []}, {}),
        ({"image_file": [{"filename": "a", "body": b"x"}]}, {}),
        (
            {"profile": ["course"], "image": ["w_2026_46"], "profile-option-course--week": ["2"]},
            {"profile": "course", "week": "2"},
        ),
        (
            {
                "profile": ["course"],
                "profile-option-course--week": ["unlisted-choice"],
                "profile-option-course--week--unlisted-choice": [" 7 "],
                "profile-option-other--week": ["1"],
            },
            {"profile": "course", "week--unlisted-choice": "7"},
        ),
        (
            {
                "profile": ["course"],
                "profile-option-course--week": ["2"],
                "profile-option-course--week--unlisted-choice": [""],
            },
            {"profile": "course", "week": "2"},
        ),
        (
            {"profile": ["lab"], "profile-option-lab--image": ["w_2026_46"], "profile-option-lab--size": ["small"]},
            {"profile": "lab", "image": "w_2026_46", "size": "small"},
        ),
        (
            {"profile": ["lab"], "profile-option-lab--image--unlisted-choice": ["quay.io/x"]},
            {"profile": "lab", "image": "quay.io/x"},
        ),
    ],
)
def test_fields_become_options(fields: Any, options: dict[str, Any]) -> None:
    assert options_from_form(fields) == options


@given(
    st.dictionaries(
        st.sampled_from(
            ["profile", "image", "size", "presets", "debug", "image_tag", "profile-option-lab--", "--unlisted-choice"]
        )
        | st.text(max_size=10),
        st.lists(st.text(max_size=10), max_size=3),
    )
)
def test_no_fields_make_it_fail(fields: dict[str, list[str]]) -> None:
    json.dumps(options_from_form(fields))


# Words.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86399, "23 hours ago"),
        (86400, "1 day ago"),
        (13 * 86400, "13 days ago"),
        (14 * 86400, "2 weeks ago"),
        (100 * 86400, "3 months ago"),
        (800 * 86400, "2 years ago"),
        (80_000 * 86400, "219 years ago"),
    ],
)
def test_ages_read_well(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(10, "1 kB"), (640_000, "640 kB"), (2_500_000, "2.5 MB"), (61_000_000, "61 MB"), (3_120_000_000, "3.1 GB")],
)
def test_downloads_read_well(size: int, text: str) -> None:
    assert size_text(size) == text


def test_the_script_and_the_style_ask_nobody_for_anything() -> None:
    html = render(available(), {}, now=NOW)
    assert not re.search(r"""(src|href)=|url\(|@import|fetch\(|https?://""", html)


@pytest.mark.parametrize("follows", [False, True])
def test_the_form_asks_for_the_pod_that_is_made_meanwhile_where_there_is_one(follows: bool) -> None:
    html = render(available(), {}, now=NOW, ahead=AheadQuestions("/hub/jhkube/ahead/a%22b", follows))
    assert 'data-ahead="/hub/jhkube/ahead/a%22b"' in html
    assert (" data-ahead-follows>" in html) is follows
    assert html.count("fetch(") == 1


@pytest.mark.parametrize("errors", [(), (OptionError("image", "no"),)])
def test_half_a_character_in_what_was_chosen_last_can_be_sent(errors: tuple[OptionError, ...]) -> None:
    html = render(available(), {"image": "w_\ud800", "size": "\udfff"}, now=NOW, errors=errors)
    assert b"w_?" in html.encode()
