"""Who is offered what of a menu."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from jhkube.images.entries import Menu, MenuEntry, MenuPart, build_part
from jhkube.images.image_name import split_image
from jhkube.images.offer_rules import DEFAULT_OFFERS, parse_offers
from jhkube.images.offers import Offer, offer_for
from jhkube.images.tags import parse_tag, sort_tags

LAB, GPU = "registry.example/lab", "registry.example/gpu"
TODAY = date(2026, 11, 20)

TAGS = [
    *("latest", "r27_0_1", "r27_0_0", "r26_0_2", "r27_1_0_rc1"),
    *("w_2026_47", "w_2026_46", "w_2026_45", "w_2026_40"),
    *("d_2026_11_20", "d_2026_11_19", "d_2026_11_10"),
    *("exp_w_2026_47_mine", "sha-abc1234", "something"),
]


def menu_of(*texts: str, repository: str = LAB, same: tuple[str, ...] = ()) -> Menu:
    """Return a menu of tags; those in `same` are one image, named by the first of them."""
    tags = {text: parse_tag(text) for text in texts}
    entries = []
    for tag in sort_tags(tags.values()):
        if tag.tag in same[1:]:
            continue
        aliases = tuple(tags[text] for text in same[1:]) if tag.tag in same[:1] else ()
        entries.append(MenuEntry(repository, tag, f"sha256:{len(entries):064x}", aliases))
    return Menu(tuple(entries), refreshed_at=1_795_000_000.0)


def offered(menu: Menu, *rules: dict[str, Any], groups: tuple[str, ...] = ()) -> list[str]:
    return [entry.tag.tag for entry in offer(menu, *rules, groups=groups).entries]


def offer(menu: Menu, *rules: dict[str, Any], groups: tuple[str, ...] = ()) -> Offer:
    return offer_for(menu, parse_offers(list(rules)), groups, TODAY)


OFFERED = [
    pytest.param({"kinds": {"weekly": 2}}, "w_2026_47 w_2026_46", id="the newest of a kind"),
    pytest.param({"kinds": {"weekly": 0}}, "", id="none of a kind"),
    pytest.param({"kinds": {"weekly": "all"}}, "w_2026_47 w_2026_46 w_2026_45 w_2026_40", id="all of a kind"),
    pytest.param({"kinds": {"weekly": None, "release": 1}}, "w_2026_47 w_2026_46 w_2026_45 w_2026_40 r27_0_1"),
    pytest.param({"kinds": {"release": 1, "weekly": 1}}, "r27_0_1 w_2026_47", id="in the order of the rule"),
    pytest.param({"kinds": {"release": {"minimum_version": "27"}}}, "r27_0_1 r27_0_0"),
    pytest.param({"kinds": {"release": {"minimum_version": "27.0.1"}}}, "r27_0_1"),
    pytest.param({"kinds": {"release": {"count": 1, "minimum_version": "26_0"}}}, "r27_0_1"),
    pytest.param({"kinds": {"daily": {"maximum_age_days": 1}}}, "d_2026_11_20 d_2026_11_19", id="not too old"),
    pytest.param({"kinds": {"daily": {"minimum_age_days": 1}}}, "d_2026_11_19 d_2026_11_10", id="not too young"),
    pytest.param({"kinds": {"daily": {"count": 1, "minimum_age_days": 2}}}, "d_2026_11_10"),
    pytest.param({"kinds": {"other": {"maximum_age_days": 1}}}, "something", id="without a date there is no age"),
    pytest.param(
        {"kinds": {"other": {"minimum_version": "27"}}}, "something", id="without a version there is no oldest"
    ),
    pytest.param({"kinds": {"weekly": "all"}, "include": ["w_2026_4[67]"]}, "w_2026_47 w_2026_46"),
    pytest.param({"kinds": {"weekly": "all"}, "include": ["2026"]}, "", id="patterns match as a whole"),
    pytest.param({"kinds": {"weekly": 2}, "include": ["*_45", "*_40"]}, "w_2026_45 w_2026_40"),
    pytest.param({"kinds": {"weekly": 2}, "exclude": ["w_2026_47"]}, "w_2026_46 w_2026_45"),
    pytest.param({"kinds": {"weekly": 2}, "exclude": [f"{LAB}:*_47"]}, "w_2026_46 w_2026_45"),
    pytest.param({"kinds": {"weekly": 2}, "exclude": [f"{GPU}:*"]}, "w_2026_47 w_2026_46"),
    pytest.param({"kinds": {"weekly": 1}, "pinned": ["r26_0_2", "gone"]}, "r26_0_2 w_2026_47", id="pinned first"),
    pytest.param({"pinned": [f"{LAB}:r26_0_2", f"{GPU}:r27_0_0"]}, "r26_0_2"),
    pytest.param({"pinned": ["w_2026_47"], "exclude": ["w_2026_47"]}, "", id="excluded is excluded"),
    pytest.param({"kinds": {"weekly": 1}, "repositories": [GPU]}, "", id="of another repository"),
    pytest.param({"pinned": ["w_2026_47"], "repositories": [GPU]}, "", id="pinned in another repository"),
    pytest.param({}, ""),
]


@pytest.mark.parametrize(("rule", "expected"), OFFERED)
def test_a_rule_offers(rule: dict[str, Any], expected: str) -> None:
    assert offered(menu_of(*TAGS), rule) == expected.split()


def test_a_count_is_for_each_repository() -> None:
    menu = Menu((*menu_of(*TAGS).entries, *menu_of(*TAGS, repository=GPU).entries))
    found = offer(menu, {"kinds": {"weekly": 1, "release": 1}}).entries
    assert [entry.reference for entry in found] == [
        f"{LAB}:w_2026_47",
        f"{GPU}:w_2026_47",
        f"{LAB}:r27_0_1",
        f"{GPU}:r27_0_1",
    ]


def test_a_rule_for_some_repositories_offers_none_of_another() -> None:
    menu = Menu((*menu_of(*TAGS).entries, *menu_of(*TAGS, repository=GPU).entries))
    found = offer(menu, {"kinds": {"weekly": 1}, "repositories": [GPU]}).entries
    assert [entry.reference for entry in found] == [f"{GPU}:w_2026_47"]


def test_an_image_counts_once_whatever_its_tags_are() -> None:
    menu = menu_of("w_2026_47", "w_2026_46", "w_2026_45", same=("w_2026_47", "w_2026_46"))
    assert offered(menu, {"kinds": {"weekly": 2}}) == ["w_2026_47", "w_2026_45"]


def test_an_image_is_offered_for_any_of_its_tags() -> None:
    menu = menu_of("r27_0_1", "w_2026_47", "w_2026_46", same=("r27_0_1", "w_2026_46"))
    assert offered(menu, {"kinds": {"weekly": 2}}) == ["w_2026_47", "r27_0_1"]


def test_one_architecture_alone_is_not_offered_beside_all_of_them() -> None:
    menu = menu_of("w_2026_47", "w_2026_47-amd64", "w_2026_47-arm64", "w_2026_46-arm64", "w_2026_45")
    assert offered(menu, {"kinds": {"weekly": 3}}) == ["w_2026_47", "w_2026_46-arm64", "w_2026_45"]


def test_architectures_without_an_image_for_all_of_them_are_all_offered() -> None:
    menu = menu_of("w_2026_46-amd64", "w_2026_46-arm64")
    assert sorted(offered(menu, {"kinds": {"weekly": 2}})) == ["w_2026_46-amd64", "w_2026_46-arm64"]


STAFF = {"groups": ["staff", "org:team"], "kinds": {"daily": 1}, "all_tags": True, "custom_images": [".*"]}
EVERYBODY = {"kinds": {"weekly": 1}}


@pytest.mark.parametrize("groups", [("staff",), ("org:team", "more"), ("staff", "org:team")])
def test_rules_of_all_ones_groups_add_up(groups: tuple[str, ...]) -> None:
    found = offer(menu_of(*TAGS), EVERYBODY, STAFF, groups=groups)
    assert [entry.tag.tag for entry in found.entries] == ["w_2026_47", "d_2026_11_20"]
    assert found.all_entries_allowed
    assert found.custom_allowed


@pytest.mark.parametrize("groups", [(), ("students",), ("org",), ("STAFF",)])
def test_a_rule_for_others_gives_nothing(groups: tuple[str, ...]) -> None:
    found = offer(menu_of(*TAGS), EVERYBODY, STAFF, groups=groups)
    assert [entry.tag.tag for entry in found.entries] == ["w_2026_47"]
    assert found.all_entries == found.entries
    assert not found.all_entries_allowed
    assert not found.custom_allowed
    assert found.find("d_2026_11_20") is None


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"kinds": {"weekly": 2}, "default": ["w_2026_46"]}], "w_2026_46"),
        ([{"kinds": {"weekly": 2}, "default": ["recommended", "w_2026_46"]}], "w_2026_46"),
        ([{"kinds": {"weekly": 2}, "default": ["recommended"]}], "w_2026_47"),
        ([{"kinds": {"weekly": 2}}], "w_2026_47"),
        ([{"kinds": {"weekly": 2}}, {"default": ["r26_0_2"]}], "r26_0_2"),
        ([{"kinds": {"weekly": 1}, "default": ["latest"], "exclude": ["latest"]}], "w_2026_47"),
    ],
)
def test_the_default_is_the_first_named_that_exists_and_is_always_offered(
    rules: list[dict[str, Any]], expected: str
) -> None:
    found = offer(menu_of(*TAGS), *rules)
    assert found.default is not None
    assert found.default.tag.tag == expected
    assert found.default in found.entries


def test_where_nothing_is_offered_there_is_no_default() -> None:
    assert offer(Menu(), EVERYBODY).default is None
    assert offer(menu_of(*TAGS)).default is None


def test_everything_else_is_found_where_all_tags_may_be_had() -> None:
    menu = menu_of(*TAGS, same=("w_2026_47", "latest"))
    rule = {"kinds": {"weekly": 1}, "all_tags": True, "exclude": ["exp_*"]}
    found = offer(menu, rule)
    assert len(found.all_entries) == len(menu.entries) - 1
    for text in ("something", f"{LAB}:something", "latest", "w_2026_47"):
        entry = found.find(text)
        assert entry is not None
        assert text.rpartition(":")[2] in [tag.tag for tag in entry.tags]
    by_digest = found.find(menu.entries[3].image)
    assert by_digest is menu.entries[3]
    for text in ("exp_w_2026_47_mine", f"{LAB}:exp_w_2026_47_mine", "gone", "", f"{GPU}:something", LAB, f"{LAB}:"):
        assert found.find(text) is None


def test_all_tags_of_some_repositories_are_none_of_another() -> None:
    menu = Menu((*menu_of(*TAGS).entries, *menu_of(*TAGS, repository=GPU).entries))
    found = offer(menu, {"all_tags": True, "repositories": [GPU]})
    assert found.find(f"{GPU}:something") is not None
    assert found.find(f"{LAB}:something") is None


def test_without_exclusions_all_tags_are_the_menus_own() -> None:
    menu = menu_of(*TAGS)
    assert offer(menu, {"all_tags": True}).all_entries is menu.entries


def test_what_is_excluded_for_one_group_may_be_had_by_another() -> None:
    menu = menu_of(*TAGS)
    rules = ({"all_tags": True, "exclude": ["d_*"]}, {"groups": ["staff"], "all_tags": True, "exclude": ["w_*"]})
    assert offer(menu, *rules).find("d_2026_11_20") is None
    assert offer(menu, *rules, groups=("staff",)).find("d_2026_11_20") is not None


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("quay.io/good/ok:1", True),
        ("quay.io/good/ok", False),
        ("quay.io/good/ok:1; evil", False),
        ("evil quay.io/good/ok:1", False),
        ("quay.io/good/ok:1\n", False),
        ("quay.io/good/OK:1", False),
        ("", False),
    ],
)
def test_a_typed_image_matches_a_pattern_as_a_whole(image: str, allowed: bool) -> None:
    found = offer(Menu(), {"custom_images": [r"quay\.io/good/[a-z]+:\d+"]})
    assert found.allows_custom(image) is allowed


@pytest.mark.parametrize(
    ("image", "allowed"),
    [("quay.io/good/ok:1", True), ("ghcr.io/good/ok:1", True), ("evil.example/good/ok:1", False)],
)
def test_one_of_several_patterns_is_enough(image: str, allowed: bool) -> None:
    found = offer(Menu(), {"custom_images": [r"quay\.io/good/.+", r"ghcr\.io/good/.+"]})
    assert found.allows_custom(image) is allowed


DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("pattern", "image", "allowed"),
    [
        (r"quay\.io/good/lab:v.+", "quay.io/good/lab:v1", True),
        (r"quay\.io/good/lab:v.+", f"quay.io/good/lab:v1@{DIGEST}", False),
        (r"quay\.io/good/lab:v.+", f"quay.io/good/lab@{DIGEST}", False),
        (r"quay\.io/good/.+", f"quay.io/good/lab:v1@{DIGEST}", True),
        (r"quay\.io/good/[a-z]+@.+", f"quay.io/good/lab@{DIGEST}", True),
        (r"quay\.io/good/[a-z]+(:v1)?@sha256:.+", f"quay.io/good/lab:v1@{DIGEST}", True),
        (r"localhost:5000/.+", f"localhost:5000/lab:v1@{DIGEST}", True),
    ],
)
def test_a_tag_opens_no_door_for_a_digest_beside_it(pattern: str, image: str, allowed: bool) -> None:
    assert offer(Menu(), {"custom_images": [pattern]}).allows_custom(image) is allowed


def test_ages_are_counted_from_the_menus_refresh_not_from_today() -> None:
    menu = menu_of("d_2026_11_18", "d_2026_11_01")
    rules = parse_offers([{"kinds": {"daily": {"maximum_age_days": 3}}}])
    assert [entry.tag.tag for entry in offer_for(menu, rules, ()).entries] == ["d_2026_11_18"]


def test_the_offer_says_how_old_the_menu_is_and_what_failed() -> None:
    menu = Menu((), 12.0, ("It does not answer.",))
    found = offer(menu, EVERYBODY)
    assert (found.refreshed_at, found.errors) == (12.0, ("It does not answer.",))


def test_without_configuration_everybody_has_the_newest_few_and_the_rest_by_search() -> None:
    found = offer_for(menu_of(*TAGS), parse_offers(DEFAULT_OFFERS), (), TODAY)
    assert found.default is not None
    assert found.default.tag.tag == "latest"
    assert found.all_entries_allowed
    assert not found.custom_allowed


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "offers: should be a list"),
        (["all"], r"offers\[0\]: should be a dict"),
        ([{"kind": {}}], r"offers\[0\]: there is no field 'kind'; did you mean 'kinds'"),
        ([{}, {"kinds": {"weeklies": 3}}], r"offers\[1\]\.kinds: there is no kind 'weeklies'; did you mean 'weekly'"),
        ([{"kinds": ["weekly"]}], r"offers\[0\]\.kinds: should be a dict"),
        ([{"kinds": {"weekly": -1}}], r"offers\[0\]\.kinds\.weekly: should be a number"),
        ([{"kinds": {"weekly": True}}], r"offers\[0\]\.kinds\.weekly: should be a number"),
        ([{"kinds": {"weekly": {"counts": 3}}}], r"kinds\.weekly: there is no field 'counts'; did you mean 'count'"),
        ([{"kinds": {"release": {"minimum_version": "r27"}}}], r"minimum_version: should be numbers with points"),
        ([{"kinds": {"daily": {"maximum_age_days": "7d"}}}], r"maximum_age_days: should be a whole number"),
        ([{"include": "w_*"}], r"offers\[0\]\.include: should be a list of texts"),
        ([{"pinned": [""]}], r"offers\[0\]\.pinned\[0\]: should be a text, not ''"),
        ([{"default": "latest"}], r"offers\[0\]\.default: should be a list of texts"),
        ([{"groups": "staff"}], r"offers\[0\]\.groups: should be a list of texts"),
        ([{"all_tags": "yes"}], r"offers\[0\]\.all_tags: should be True or False"),
        ([{"custom_images": ["("]}], r"offers\[0\]\.custom_images: '\(' is not a regular expression"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_offers(config)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("ubuntu", ("docker.io", "library/ubuntu", "latest")),
        ("jupyter/base", ("docker.io", "jupyter/base", "latest")),
        ("docker.io/ubuntu:24.04", ("docker.io", "library/ubuntu", "24.04")),
        ("quay.io/a/b/c:v1", ("quay.io", "a/b/c", "v1")),
        ("localhost/lab", ("localhost", "lab", "latest")),
        ("localhost:5000/lab:x", ("localhost:5000", "lab", "x")),
        ("[::1]:5000/lab:x", ("[::1]:5000", "lab", "x")),
        (f"quay.io/lab:x@sha256:{'a' * 64}", ("quay.io", "lab", f"sha256:{'a' * 64}")),
    ],
)
def test_an_image_is_read_as_a_container_runtime_reads_it(image: str, parts: tuple[str, str, str]) -> None:
    assert split_image(image) == parts


@pytest.mark.parametrize(
    "image",
    [
        *("", ":", "/", "a//b", "a/../b", "Upper/case", "a b", "a\n", "-a", "a:" + "x" * 129),
        *("quay.io/a:b:c", "quay.io/a@sha256:abc", "quay.io:port/a", "http://quay.io/a", "user@quay.io/a"),
        *("quay.io/a?b", "quay.io/a#b", "quay.io/%2e%2e/a"),
    ],
)
def test_what_can_be_no_image_is_refused_with_a_sentence(image: str) -> None:
    with pytest.raises(ValueError, match="This is not an image"):
        split_image(image)


def test_a_part_has_each_image_once_under_all_its_tags() -> None:
    tags = [parse_tag(text) for text in ("recommended", "w_2026_46", "w_2026_45", "w_2026_44")]
    one, gone = "sha256:" + "1" * 64, ""
    known = {"recommended": one, "w_2026_46": one, "w_2026_44": gone}
    part = build_part("quay.io/lab", tags, known, {}, MenuPart("quay.io/lab"))
    assert [{tag.tag for tag in entry.tags} for entry in part.entries] == [
        {"recommended", "w_2026_46"},
        {"w_2026_45"},
    ]
    assert part.find(one) is part.find("w_2026_46") is part.find("recommended") is part.entries[0]
    assert [part.find(text) for text in ("w_2026_44", "sha256:" + "2" * 64, "")] == [None] * 3
    again = build_part("quay.io/lab", tags, known | {"w_2026_46": gone}, {}, part)
    assert again.entries[1] is part.entries[1], "it did not change"
    known = {"w_2026_45": "sha256:" + "3" * 64}
    had = build_part("quay.io/lab", tags, known, {}, part)
    assert build_part("quay.io/lab", tags, {}, {}, had).find("w_2026_45") == MenuEntry("quay.io/lab", tags[2])
