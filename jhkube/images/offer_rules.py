"""The rules by which an operator offers images: their models, and what one rule says of a tag."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from jhkube.operator_errors import not_wanted, shown
from jhkube.operator_models import OperatorModel, read_list
from jhkube.operator_types import Count, Flag, Groups, TextList, Wanted

from .entries import MenuEntry
from .image_tag import ImageTag
from .scheme_config import Kind

__all__ = ["DEFAULT_OFFERS", "KindRule", "OfferRule", "parse_offers", "tag_matches"]

DEFAULT_OFFERS: Final[list[dict[str, Any]]] = [
    {
        "kinds": {
            "alias": None,
            "release": 3,
            "candidate": 1,
            "weekly": 4,
            "daily": 3,
            "build": 3,
            "other": 5,
        },
        "default": ["recommended", "stable", "latest"],
        "all_tags": True,
    }
]
"""What is offered where the operator says nothing: to everybody the newest few, and the rest by search."""


def _version(written: Any) -> tuple[int, ...]:
    """Read `27.0` or `27_0` as numbers."""
    text = written if isinstance(written, str) else shown(written)
    if not re.fullmatch(r"\d{1,9}([._]\d{1,9})*", text):
        raise not_wanted("numbers with points, such as '27.0'")
    return tuple(map(int, re.split(r"[._]", text)))


def _regular_expressions(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return patterns


class KindRule(OperatorModel):
    """How much of one kind of tag is offered."""

    count: Count | None = None
    """At most so many images of a repository, the newest; None for all."""

    minimum_version: Annotated[
        tuple[int, ...],
        PlainValidator(_version, json_schema_input_type=str | int | float),
    ] = ()
    """The oldest version offered, as far as it is written: `(27,)` lets 27.0.1 in."""

    maximum_age_days: Count | None = None
    """Days after its date at which a tag is no longer offered; tags without a date always are."""

    minimum_age_days: Count = 0
    """Days that others shall have tried an image before it is offered; tags without a date always are."""

    def admits(self, tag: ImageTag, today: date) -> bool:
        """Whether a tag is neither too old nor too young."""
        if self.minimum_version:
            version = tag.version[: len(self.minimum_version)]
            if version and version < self.minimum_version:
                return False
        if tag.date is None:
            return True
        age = (today - tag.date).days
        return self.minimum_age_days <= max(age, 0) and (
            self.maximum_age_days is None or age <= self.maximum_age_days
        )


def _kind_rule(written: Any) -> Any:
    """Read a number as the newest so many, and `"all"` or None as all."""
    if written is None or written == "all":
        return {}
    if isinstance(written, int) and not isinstance(written, bool) and written >= 0:
        return {"count": written}
    if not isinstance(written, Mapping):
        raise not_wanted(f"a number, 'all', or a dict of {', '.join(KindRule.model_fields)}")
    return written


class OfferRule(OperatorModel):
    """One rule of the operator's: what its groups are offered. Each is equal to itself alone, and a key by that."""

    groups: Groups = frozenset()
    """Hub groups that the rule is for; empty for everybody."""

    repositories: Groups = frozenset()
    """Repositories, with host, that it speaks of; empty for all."""

    kinds: Annotated[
        dict[
            Kind,
            Annotated[
                KindRule,
                BeforeValidator(_kind_rule, json_schema_input_type=int | Literal["all"] | KindRule | None),
            ],
        ],
        Wanted("a dict by kind, such as {'weekly': 4}"),
    ] = Field(default_factory=dict)
    """How much of which kind, in the order in which they are shown; a kind left out is not offered."""

    include: TextList = ()
    """Patterns, one of which a tag must match as a whole to be offered; empty for all."""

    exclude: TextList = ()
    """Patterns of tags that this rule does not let anybody have, in "all tags" neither."""

    pinned: TextList = ()
    """Tags, or `repository:tag`, that are offered in any case, first."""

    default: TextList = ()
    """Tags of which the first that exists is chosen beforehand."""

    all_tags: Flag = False
    """Whether everything else can be had by search."""

    custom_images: Annotated[TextList, AfterValidator(_regular_expressions)] = ()
    """Regular expressions for images that may be typed; each matches the whole text."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def is_for(self, groups: Collection[str]) -> bool:
        """Whether somebody of these groups falls under the rule."""
        return not self.groups or not self.groups.isdisjoint(groups)

    def excludes(self, entry: MenuEntry) -> bool:
        """Whether the rule keeps an image back: another repository, or a tag of it that is excluded."""
        if self.repositories and entry.repository not in self.repositories:
            return True
        return bool(self.exclude) and any(tag_matches(self.exclude, entry.repository, tag) for tag in entry.tags)


def parse_offers(config: Any) -> tuple[OfferRule, ...]:
    """Return the rules that an operator wrote as a list of dicts.

    Raises
    ------
    ConfigError
        Naming the rule and the field: `offers[1].kinds.weekly: …`.

    Examples
    --------
    >>> rules = parse_offers([{"kinds": {"weekly": 3}, "all_tags": True}])
    >>> rules[0].kinds[TagKind.WEEKLY].count
    3
    """
    return read_list(OfferRule, "offers", config)


def tag_matches(patterns: tuple[str, ...], repository: str, tag: ImageTag) -> bool:
    """Say whether a tag, or `repository:tag` for patterns with a slash, matches a shell pattern as a whole."""
    of_tag, of_both = _shell(patterns)
    if of_tag is not None and of_tag.match(tag.tag):
        return True
    return of_both is not None and of_both.match(f"{repository}:{tag.tag}") is not None


@lru_cache(maxsize=256)
def _shell(patterns: tuple[str, ...]) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    """Return one regular expression for all patterns of tags, and one for those of `repository:tag`."""
    of_tag = [translate(pattern) for pattern in patterns if "/" not in pattern]
    of_both = [translate(pattern) for pattern in patterns if "/" in pattern]
    return (
        re.compile("|".join(of_tag)) if of_tag else None,
        re.compile("|".join(of_both)) if of_both else None,
    )
