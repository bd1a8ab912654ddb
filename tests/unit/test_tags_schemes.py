"""The schemes an operator configures: which, in what order, and their own."""

from __future__ import annotations

from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from jhkube.images.image_tag import TagKind
from jhkube.images.menu import ImageMenu
from jhkube.images.scheme_config import schemes_from_config
from jhkube.images.tags import DEFAULT_SCHEMES, parse_tag, sort_tags

NIGHTLY = {
    "name": "nightly",
    "kind": "daily",
    "pattern": r"nightly-(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
    "display": "Nightly of {date}",
}
COURSE = {
    "name": "course",
    "kind": "release",
    "pattern": r"(?P<course>[a-z]+)-course-(?P<version>\d+(?:\.\d+)*)(?:-(?P<extra>\w+))?",
    "display": "Course {course}, edition {version}",
}


def names(*arguments: Any, **options: Any) -> list[str]:
    return [scheme.name for scheme in schemes_from_config(*arguments, **options)]


def test_every_shipped_scheme_is_on_by_default() -> None:
    assert [scheme.name for scheme in DEFAULT_SCHEMES] == ["alias", "lsst", "calver", "semver", "git"]
    assert names() == ["alias", "lsst", "calver", "semver", "git"]


def test_schemes_are_tried_in_the_order_of_their_names() -> None:
    dates_first = schemes_from_config(["calver", "semver"])
    versions_first = schemes_from_config(["semver", "calver"])
    assert parse_tag("2026.11.20", dates_first).kind is TagKind.DAILY
    assert parse_tag("2026.11.20", versions_first).kind is TagKind.RELEASE


def test_a_scheme_that_is_not_named_reads_nothing() -> None:
    schemes = schemes_from_config(["semver"])
    assert parse_tag("w_2026_46", schemes).kind is TagKind.OTHER
    assert parse_tag("1.2.3", schemes).kind is TagKind.RELEASE
    assert parse_tag("latest", schemes).kind is TagKind.ALIAS


def test_no_scheme_at_all_leaves_every_tag_listed() -> None:
    assert [parse_tag(text, ()).kind for text in ("latest", "1.2.3")] == [TagKind.OTHER] * 2


def test_aliases_are_the_operators_and_shown_in_their_order() -> None:
    schemes = schemes_from_config(aliases=["teaching", "w_2026_46", "latest"])
    tags = [parse_tag(text, schemes) for text in ("latest", "recommended", "w_2026_46", "teaching", "teaching-arm64")]
    assert [tag.kind for tag in tags] == [TagKind.ALIAS, TagKind.OTHER, *[TagKind.ALIAS] * 3]
    assert [str(tag) for tag in sort_tags(tags)] == [
        *("teaching", "teaching-arm64", "w_2026_46", "latest", "recommended")
    ]


def test_an_alias_may_end_as_an_architecture_does() -> None:
    schemes = schemes_from_config(aliases=["gpu-amd64"])
    tag = parse_tag("gpu-amd64", schemes)
    assert (tag.kind, tag.display_name) == (TagKind.ALIAS, "Gpu amd64")


def test_aliases_can_be_placed_behind() -> None:
    assert names(["lsst", "alias"]) == ["lsst", "alias"]
    schemes = schemes_from_config(["lsst", "alias"], aliases=["w_2026_46"])
    assert parse_tag("w_2026_46", schemes).kind is TagKind.WEEKLY


def test_a_custom_scheme_stands_in_front_unless_it_is_named() -> None:
    assert names(["lsst"], custom=[NIGHTLY, COURSE]) == ["alias", "nightly", "course", "lsst"]
    assert names(["lsst", "nightly"], custom=[NIGHTLY, COURSE]) == ["alias", "course", "lsst", "nightly"]


def test_a_custom_scheme_reads_dates() -> None:
    schemes = schemes_from_config(custom=[NIGHTLY])
    older, newer = (parse_tag(text, schemes) for text in ("nightly-20261119", "nightly-20261120-arm64"))
    assert newer.display_name == "Nightly of Fri 20 Nov 2026 · arm64"
    assert (newer.kind, newer.architecture, str(newer.date)) == (TagKind.DAILY, "arm64", "2026-11-20")
    assert older < newer


def test_a_custom_scheme_knows_the_calendar() -> None:
    schemes = schemes_from_config(custom=[NIGHTLY])
    assert parse_tag("nightly-20260230", schemes).kind is TagKind.OTHER
    assert parse_tag("nightly-00000101", schemes).kind is TagKind.OTHER


def test_a_custom_scheme_may_name_no_more_than_a_year_or_a_month() -> None:
    school = {"name": "school", "kind": "release", "pattern": r"school-(?P<year>\d{4})(?:-(?P<month>\d\d))?"}
    schemes = schemes_from_config(custom=[school])
    year, month, none = (parse_tag(text, schemes) for text in ("school-2026", "school-2026-07", "school-2026-13"))
    assert (str(year.date), year.version) == ("2026-01-01", (2026,))
    assert (str(month.date), month.version) == ("2026-07-01", (2026, 7))
    assert none.kind is TagKind.OTHER


def test_a_custom_scheme_is_matched_against_the_whole_tag() -> None:
    schemes = schemes_from_config(custom=[NIGHTLY])
    assert parse_tag("nightly-20261120x", schemes).kind is TagKind.OTHER
    assert parse_tag("xnightly-20261120", schemes).kind is TagKind.OTHER
    assert parse_tag("nightly-20261120\n", schemes).kind is TagKind.OTHER


def test_a_custom_scheme_reads_versions() -> None:
    schemes = schemes_from_config(custom=[COURSE])
    tags = [parse_tag(f"astro-course-{version}", schemes) for version in ("2.9", "2.10-draft", "3")]
    assert tags == sorted(tags)
    assert [tag.version for tag in tags] == [(2, 9), (2, 10), (3,)]
    assert tags[1].display_name == "Course astro, edition 2.10"
    assert tags[1].extra == "draft"


def test_a_custom_scheme_reads_weeks_to_the_end_of_time() -> None:
    week = {
        "name": "week",
        "kind": "weekly",
        "pattern": r"(?P<year>\d{4})w(?P<week>\d\d)(?P<architecture>arm|x86_64)?",
        "display": "Lab {week_span}",
    }
    schemes = schemes_from_config(custom=[week])
    assert parse_tag("2026w46", schemes).display_name == "Lab 2026, week 46 (9–15 Nov)"
    assert parse_tag("2026w46x86_64", schemes).architecture == "amd64"
    assert parse_tag("2026w46arm", schemes).architecture == "arm"
    assert parse_tag("2025w53", schemes).kind is TagKind.OTHER
    assert parse_tag("9999w52", schemes).kind is TagKind.OTHER


def test_a_custom_scheme_without_a_display_shows_the_tag() -> None:
    schemes = schemes_from_config(custom=[{"name": "team", "kind": "experimental", "pattern": "team-.*"}])
    assert parse_tag("team-x", schemes).display_name == "team-x"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"names": ["lst"]}, r"^schemes\[0\]: there is no tag scheme 'lst'; did you mean 'lsst'"),
    ({"names": ["SemVer"]}, "did you mean 'semver'"),
    ({"names": ["zzz"]}, "there are alias, lsst, calver, semver, git"),
    ({"names": ["nightli"], "custom": [NIGHTLY]}, "did you mean 'nightly'"),
    ({"names": ["lsst", "lsst"]}, r"^schemes\[1\]: the tag scheme 'lsst' is named twice"),
    ({"names": "lsst"}, "^schemes: should be a list of texts, not 'lsst'"),
    ({"names": [["lsst"]]}, r"^schemes\[0\]: should be the name of a tag scheme, not a list"),
    ({"aliases": "latest"}, "^aliases: should be a list of texts"),
    ({"aliases": ["two words"]}, r"^aliases\[0\]: 'two words' cannot be a tag"),
    ({"aliases": [""]}, "'' cannot be a tag"),
    ({"aliases": ["latest", "latest"]}, r"^aliases\[1\]: 'latest' is named twice"),
    ({"custom": NIGHTLY}, "^custom_schemes: should be a list of dicts, not a dict"),
    ({"custom": ["nightly"]}, r"^custom_schemes\[0\]: should be a dict of fields, not a text"),
    ({"custom": [NIGHTLY, NIGHTLY]}, r"^custom_schemes\[1\].name: 'nightly' is the name of a scheme before it"),
    ({"custom": [NIGHTLY | {"name": "lsst"}]}, "'lsst' is the name of a shipped scheme"),
    ({"custom": [NIGHTLY | {"kind": "dayly"}]}, r"\(nightly\).kind: there is no kind 'dayly'; did you mean 'daily'"),
    ({"custom": [NIGHTLY | {"pattern": "("}]}, r"\(nightly\).pattern: should be a regular expression: missing"),
    ({"custom": [NIGHTLY | {"pattern": 3}]}, "pattern: should be a regular expression for the whole tag, not 3"),
    ({"custom": [NIGHTLY | {"pattern": ""}]}, "pattern: should be a regular expression for the whole tag, not ''"),
    (
        {"custom": [{"name": "x", "kind": "daily"}]},
        r"\(x\).pattern: should be a regular expression for the whole tag, not nothing",
    ),
    ({"custom": [NIGHTLY | {"patern": "x"}]}, "there is no field 'patern'; did you mean 'pattern'"),
    ({"custom": [NIGHTLY | {"pattern": r"(?P<month>\d\d)"}]}, "pattern: has a date without a group 'year'"),
    ({"custom": [NIGHTLY | {"pattern": r"(?P<year>\d{4})(?P<day>\d\d)"}]}, "'day' without a group 'month'"),
    ({"custom": [NIGHTLY | {"display": "{dat}"}]}, "display: has {dat}; did you mean 'date'"),
    ({"custom": [NIGHTLY | {"display": "{date.__class__}"}]}, "has {date.__class__}"),
    ({"custom": [NIGHTLY | {"display": "{}"}]}, "has {}"),
    ({"custom": [NIGHTLY | {"display": "{date!r}"}]}, "write the name alone"),
    ({"custom": [NIGHTLY | {"display": "{date"}]}, "not well-formed"),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_mistake_is_refused_with_what_would_be_right(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        schemes_from_config(**options)


def test_the_menus_settings_are_checked_together_when_all_are_assigned() -> None:
    menu = ImageMenu(schemes=["nightly"], custom_schemes=[NIGHTLY], cache_file="")
    assert menu.schemes == ["nightly"]
    later = ImageMenu(config=Config({"ImageMenu": {"schemes": ["nightly"], "custom_schemes": [NIGHTLY]}}))
    assert later.schemes == ["nightly"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"schemes": ["nightly"]}, r"^c\.ImageMenu\.schemes\[0\]: there is no tag scheme 'nightly'"),
        ({"aliases": ["two words"]}, r"^c\.ImageMenu\.aliases\[0\]: 'two words' cannot be a tag"),
        (
            {"custom_schemes": [{"name": "x"}]},
            r"^c\.ImageMenu\.custom_schemes\[0\] \(x\)\.kind: should be a kind of tag: alias, .*, not nothing",
        ),
        ({"offers": [{"kind": {}}]}, r"^c\.ImageMenu\.offers\[0\]: there is no field 'kind'; did you mean 'kinds'"),
    ],
)
def test_a_wrong_setting_of_the_menu_is_refused_by_its_full_name(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TraitError, match=sentence):
        ImageMenu(cache_file="", **settings)
    with pytest.raises(TraitError, match=sentence):
        ImageMenu(config=Config({"ImageMenu": settings}))
