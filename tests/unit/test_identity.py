"""Identities as auth_state keeps them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.identity import UnixGroup, UserIdentity

ADA = UserIdentity(
    name="ada",
    uid=6180339,
    gid=6180339,
    subject="github:6180339",
    full_name="Ada Example",
    email="ada@example.org",
    groups=(UnixGroup("observatory", 8314462),),
    login="Ada",
)

WRITTEN_BY_VERSION_1 = {
    "version": 1,
    "name": "ada",
    "uid": 6180339,
    "gid": 6180339,
    "subject": "github:6180339",
    "full_name": "Ada Example",
    "email": "ada@example.org",
    "groups": [["observatory", 8314462]],
}

identities = st.builds(
    UserIdentity,
    name=st.text(min_size=1),
    uid=st.integers(1, 2**31),
    gid=st.integers(1, 2**31),
    subject=st.text(min_size=1),
    full_name=st.text(),
    email=st.text(),
    groups=st.lists(st.builds(UnixGroup, st.text(), st.integers(1, 2**31))).map(tuple),
    login=st.text(),
)


@given(identities)
def test_what_is_written_is_read_back_through_json(identity):
    assert UserIdentity.from_dict(json.loads(json.dumps(identity.to_dict()))) == identity


def test_what_version_1_wrote_is_still_read():
    identity = UserIdentity.from_dict(WRITTEN_BY_VERSION_1)
    assert (identity.name, identity.uid, identity.groups) == ("ada", 6180339, ADA.groups)
    assert identity.login == ""


def test_what_is_not_known_of_a_person_is_empty():
    known = UserIdentity("ada", 6180339, 6180339, "github:6180339")
    assert (known.full_name, known.email, known.groups, known.login) == ("", "", (), "")


@pytest.mark.parametrize("version", [0, 3, "1", None, True])
def test_a_version_that_is_not_known_is_refused(version):
    with pytest.raises(ValueError, match="reads versions 1 to 2"):
        UserIdentity.from_dict(ADA.to_dict() | {"version": version})


@pytest.mark.parametrize("field", ["name", "uid", "gid", "subject", "full_name", "email", "groups", "login"])
def test_a_missing_field_is_refused_by_name(field):
    data = ADA.to_dict()
    del data[field]
    with pytest.raises(ValueError, match=f"without '{field}'"):
        UserIdentity.from_dict(data)


@pytest.mark.parametrize("value", ["6180339", 1.5, True, None])
def test_a_uid_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="where a number belongs"):
        UserIdentity.from_dict(ADA.to_dict() | {"uid": value})


@pytest.mark.parametrize("groups", [None, 7, [["observatory"]], [["observatory", "8314462"]]])
def test_groups_that_are_malformed_are_refused(groups):
    with pytest.raises(ValueError):
        UserIdentity.from_dict(ADA.to_dict() | {"groups": groups})
