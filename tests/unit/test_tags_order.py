"""The order of tags: what is newer, what a menu shows first, and that it is an order at all."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jhkube.images.image_tag import ImageTag, TagKind
from jhkube.images.tags import DEFAULT_SCHEMES, SORTED_AT_ONCE, KnownTags, parse_tag, read_tags, sort_tags

OLDEST_FIRST = {
    "releases": ["r170", "r17_0", "r17_0_1", "r18_0_0", "r27_0_0", "r27_0_1", "r100_0"],
    "build machinery": ["r27_0_1", "r27_0_1_rsp2", "r27_0_1_rsp19", "r27_0_2"],
    "cycles": ["w_2026_46", "w_2026_46_c0045.003", "w_2026_46_c0045.010", "w_2026_46_c0100.001", "w_2026_47"],
    "a cycle before the machinery": ["r27_0_1_rsp99", "r27_0_1_c0045.003", "r27_0_1_c0045.003_rsp2"],
    "candidates": ["r27_0_0_rc1", "R27_0_0_RC2", "r27_0_0_rc10", "r27_0_1_rc1"],
    "semver.org, section 11": [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta"),
        *("1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.10"),
    ],
    "candidates without dots": ["1.0.0rc1", "1.0.0rc2", "1.0.0rc10", "1.0.1a1"],
    "versions": ["v1.2.3", "1.2.4", "v1.2.10", "1.10", "1.10.0", "v2", "2.0.1"],
    "months": ["2025.12", "2026.01", "2026.11"],
    "weeklies of both ages": ["w201742", "w_2017_43", "w201801", "w_2026_9", "w_2026_46", "w_2026_53"],
    "dailies of every spelling": ["d20171113", "2017-11-14", "d_2026_02_28", "20260301", "2026.11.20"],
    "experimentals": ["exp_z", "e20171113", "exp_w_2026_46_b", "exp_d_2026_11_20", "exp_2026-11-21"],
    "others, numbers as numbers": ["pr-9", "pr-10", "pr-10-b", "pr-100", "qa"],
    "stamps": ["w_2026_46_9", "w_2026_46_20261113", "w_2026_46_20261114"],
    "products": ["python-3.9", "python-3.12", "lab-4.3.9", "lab-4.4", "1.0"],
    "architectures": ["w_2026_46-s390x", "w_2026_46-arm64", "w_2026_46-amd64", "w_2026_46"],
    "aliases, the last configured first": ["latest_daily", "latest-arm64", "latest-amd64", "latest", "recommended"],
    "kinds": [
        *("something", "sha-abc1234", "exp_x", "d_2026_11_20", "w_2026_46", "r27_0_0_rc1", "r27_0_0", "latest")
    ],
}


@pytest.mark.parametrize("texts", OLDEST_FIRST.values(), ids=OLDEST_FIRST)
def test_older_is_before_newer(texts: list[str]) -> None:
    tags = [parse_tag(text) for text in texts]
    shuffled = random.Random(46).sample(tags, len(tags))
    assert [str(tag) for tag in sorted(shuffled)] == texts
    assert all(older < newer for older, newer in pairwise(tags))


def test_a_menu_shows_kinds_in_turn_the_newest_first_and_generic_before_specific() -> None:
    texts = [
        *("recommended", "latest", "r27_0_1", "r27_0_0", "r27_0_1_rc1", "w_2026_46", "w_2026_46-amd64"),
        *("w_2026_46-arm64", "w_2026_45", "d_2026_11_20", "exp_w_2026_46", "exp_x", "sha-abc1234", "pr-10", "pr-9"),
    ]
    shuffled = random.Random(46).sample(texts, len(texts))
    assert [str(tag) for tag in sort_tags(map(parse_tag, shuffled))] == texts


def test_products_are_shown_from_a_to_z_after_the_images_own_versions() -> None:
    texts = ["python-3.12", "lab-4.4", "notebook-7.2", "1.0", "python-3.13"]
    shown = [str(tag) for tag in sort_tags(map(parse_tag, texts))]
    assert shown == ["1.0", "lab-4.4", "notebook-7.2", "python-3.13", "python-3.12"]


def test_equal_tags_keep_their_places() -> None:
    one, other = parse_tag("w_2026_46"), parse_tag("w_2026_46")
    sorted_tags = sort_tags([one, parse_tag("w_2026_47"), other])
    assert sorted_tags[1] is one
    assert sorted_tags[2] is other


def test_a_tag_does_not_compare_with_text() -> None:
    assert parse_tag("latest") != "latest"
    with pytest.raises(TypeError):
        assert parse_tag("latest") < "latest"  # type: ignore[operator]


SEPARATORS = st.sampled_from(["_", "-", ".", ""])
WORDS = st.sampled_from(
    [
        *("r", "w", "d", "e", "exp", "v", "rc", "sha", "git", "latest", "recommended", "stable", "python", "lab"),
        *("c0045.003", "rsp19", "amd64", "arm64", "x86_64", "aarch64", "alpha", "beta", "rc1", "RC10", "slim"),
        *("2026", "46", "53", "54", "11", "20", "02", "30", "00", "0000", "9999", "20261120", "201742", "27"),
        *("0", "1", "10", "abc1234", "deadbeef", "_", "-", ".", "+", "\n", "\x00", "٢", "²", "\u202e", "\ud800"),
    ]
)
PIECED = st.lists(st.tuples(WORDS, SEPARATORS), max_size=8).map(
    lambda pieces: "".join(word + separator for word, separator in pieces)
)
LSST = st.from_regex(
    r"\A(r[0-9]{1,2}_[0-9]_[0-9](_rc[0-9]{1,2})?|w_20[0-9]{2}_[0-9]{2}|(exp_)?d_20[0-9]{2}_[0-9]{2}_[0-9]{2})"
    r"(_rsp[0-9]{1,2})?(_c[0-9]{4}\.[0-9]{3})?(_[a-z]{1,3})?(-(amd64|arm64))?\Z"
)
VERSIONS = st.from_regex(r"\Av?[0-9]{1,2}(\.[0-9]{1,2}){0,3}([-._]?(rc|beta|a|slim|[0-9]{1,6})\.?[0-9]{0,2})?\Z")
TEXTS = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(codec=None, exclude_categories=())),
    st.text(alphabet="rwdexpvc0123456789_.-ab", max_size=20),
    PIECED,
    LSST,
    VERSIONS,
)
TAGS = TEXTS.map(parse_tag)


@settings(max_examples=600)
@given(TEXTS)
@example("9" * 5000)
@example("\ud800")
@example("exp_" * 32)
def test_no_text_crashes_the_parser(text: str) -> None:
    tag = parse_tag(text)
    assert tag.tag == text
    assert tag.kind in TagKind
    assert tag.display_name
    assert tag.display_name.isprintable()
    assert parse_tag(tag.tag) == tag
    assert hash(parse_tag(tag.tag)) == hash(tag)


@settings(max_examples=400)
@given(TAGS, TAGS)
def test_of_two_tags_one_is_older_or_they_are_equal(one: ImageTag, other: ImageTag) -> None:
    assert (one < other) + (other < one) + (one == other) == 1
    assert (one == other) == (one.tag == other.tag)
    assert (one <= other) == (not other < one)
    assert (one > other) == (other < one)


@settings(max_examples=400)
@given(TAGS, TAGS, TAGS)
def test_the_order_is_transitive(one: ImageTag, two: ImageTag, three: ImageTag) -> None:
    first, second, third = sorted([one, two, three])
    assert first <= second <= third
    assert first <= third


@settings(max_examples=150)
@given(st.lists(TEXTS, max_size=20), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_what_came_first(texts: list[str], chance: random.Random) -> None:
    shuffled = chance.sample(texts, len(texts))
    assert sort_tags(map(parse_tag, shuffled)) == sort_tags(map(parse_tag, texts))


@settings(max_examples=150)
@given(st.lists(TAGS, max_size=20))
def test_kinds_are_not_mixed_and_nothing_is_lost(tags: list[ImageTag]) -> None:
    shown = sort_tags(tags)
    assert sorted(map(str, shown)) == sorted(map(str, tags))
    places = [list(TagKind).index(tag.kind) for tag in shown]
    assert places == sorted(places)


@given(st.one_of(LSST, VERSIONS), st.sampled_from(["\n", "\x00", "٢", "\u202e", " ", "/", "+"]), st.integers(0, 40))
def test_what_can_be_no_tag_is_of_no_scheme(text: str, intruder: str, place: int) -> None:
    spoilt = text[:place] + intruder + text[place:]
    assert parse_tag(spoilt).kind is TagKind.OTHER


@given(st.dates())
def test_every_day_is_a_daily_and_no_other_text_of_its_shape_is(date: object) -> None:
    text = f"{date}"
    century = text[:2]
    expected = TagKind.DAILY if century in {"19", "20", "21"} else TagKind.OTHER
    assert parse_tag(text).kind is expected


@given(st.integers(1900, 2199), st.integers(0, 99))
def test_a_weekly_is_of_a_week_that_exists(year: int, week: int) -> None:
    tag = parse_tag(f"w_{year}_{week:02d}")
    if tag.kind is TagKind.WEEKLY:
        assert tag.date is not None
        assert tag.date.isocalendar()[:2] == (year, week)
        assert tag.date.weekday() == 0
    else:
        assert tag.kind is TagKind.OTHER
        assert week == 0 or week > 52


def test_tags_that_are_read_in_runs_are_in_the_order_of_one_sort() -> None:
    texts = [f"{kind}_{number}" for number in range(SORTED_AT_ONCE) for kind in ("build", "w_2026", "feature")]
    random.Random(46).shuffle(texts)
    first = read_tags(texts, KnownTags(), DEFAULT_SCHEMES)
    assert list(first.order) == sort_tags(map(parse_tag, texts))
    assert list(first.tags) == texts
    new = ["latest", "d_2026_11_20", "build_5000"]
    later = read_tags([*new, *texts[100:]], first, DEFAULT_SCHEMES, ["build_?"])
    assert list(later.order) == sort_tags(map(parse_tag, [*new, *texts[100:]]))
    assert later.tags[texts[100]] is first.tags[texts[100]]
    assert set(later.moving) == {"latest", *(text for text in later.tags if text[:-1] == "build_")}


def test_what_was_read_is_kept_and_what_is_gone_or_is_no_image_is_not() -> None:
    signature = f"sha256-{'ab' * 32}.sig"
    first = read_tags(["w_2026_45", signature, "sha-abc1234", "latest"], KnownTags(), DEFAULT_SCHEMES)
    assert list(first.tags) == ["w_2026_45", "sha-abc1234", "latest"]
    assert [str(tag) for tag in first.order] == ["latest", "w_2026_45", "sha-abc1234"]
    assert (list(first.moving), list(first.new)) == (["latest"], ["w_2026_45", "sha-abc1234", "latest"])
    same = read_tags(["latest", "sha-abc1234", "w_2026_45"], first, DEFAULT_SCHEMES)
    assert same == KnownTags(first.tags, first.order, first.moving, ())
    less = read_tags(["w_2026_45", "latest"], first, DEFAULT_SCHEMES, ["w_*_45"])
    assert [str(tag) for tag in less.order] == ["latest", "w_2026_45"]
    assert (list(less.moving), list(less.new)) == (["latest", "w_2026_45"], [])
    other = read_tags(["w_2026_46", "latest"], less, DEFAULT_SCHEMES)
    assert [str(tag) for tag in other.order] == ["latest", "w_2026_46"]
    assert list(other.new) == ["w_2026_46"]
