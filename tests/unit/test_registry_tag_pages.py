"""A page of tags is read text by text as it would be as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jhkube.images.registry import tag_pages
from jhkube.images.registry.tag_pages import MAX_BRACKETS, decoded, tags_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def read(body: bytes, *, whole: bool) -> list[str] | str:
    """Return the tags, or why there are none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tag_pages, "DECODED_WHOLE", 2**30 if whole else -1)
        try:
            return tags_in(body)
        except ValueError as error:
            return str(error)


@settings(deadline=None)
@given(
    before=st.dictionaries(st.text().filter(lambda key: key != "tags"), JSON, max_size=3),
    tags=st.lists(st.text(), max_size=5) | st.none() | st.lists(JSON, max_size=3) | JSON,
    after=st.dictionaries(st.text().filter(lambda key: key != "tags"), JSON, max_size=3),
    ascii_only=st.booleans(),
    indent=st.none() | st.integers(0, 2),
)
def test_both_ways_say_the_same(
    before: dict[str, Any], tags: Any, after: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    page = {**before, "tags": tags, **after}
    body = json.dumps(page, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    assert read(body, whole=True) == read(body, whole=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"tags"',
        b'{"tags":',
        b'{"tags": ["a"',
        b'{"tags": ["a"]',
        b'{"tags": ["a"]}x',
        b'{"x": [',
        b'{"x": {"y"',
        b'{"x": ?}',
        b'{"x": 1 "tags": []}',
        b'{"x": "',
        b"[]",
        b'["tags"]',
        b"{}",
        b'{"tags": ["\\q"]}',
    ],
)
def test_what_is_no_page_is_refused_both_ways(body: bytes) -> None:
    for whole in (True, False):
        assert read(body, whole=whole) in ("is not JSON", "has no list of texts in it")


def test_a_document_with_more_parts_than_any_is_refused() -> None:
    assert decoded(b"[" + b"{}," * 100 + b"{}]") == [{}] * 101
    with pytest.raises(ValueError, match="has too many parts"):
        decoded(b"[" + b"{}," * MAX_BRACKETS + b"{}]")
