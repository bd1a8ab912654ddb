"""The passwd and group entries of a user."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.pod.accounts import Accounts, AccountsFrom, account_files, account_parts, check_account_name

ADA = UserIdentity(
    "ada",
    7001,
    7002,
    "github:1",
    "Ada Lovelace",
    "ada@example.org",
    (UnixGroup("astro", 9001), UnixGroup("ops", 9002)),
)


def entries(name: str, identity: UserIdentity, accounts: Accounts | None = None) -> list[list[str]]:
    text = account_files(accounts or Accounts(), identity, f"/home/{identity.name}").contents[name]
    assert text.endswith("\n")
    return [line.split(":") for line in text.splitlines()]


def test_the_users_entry_is_the_first() -> None:
    assert entries("passwd", ADA)[0] == ["ada", "x", "7001", "7002", "Ada Lovelace", "/home/ada", "/bin/bash"]


def test_the_users_groups_come_first_with_the_user_as_a_member() -> None:
    assert entries("group", ADA)[:3] == [
        ["ada", "x", "7002", "ada"],
        ["astro", "x", "9001", "ada"],
        ["ops", "x", "9002", "ada"],
    ]


def test_root_and_nobody_keep_their_names() -> None:
    by_name = {entry[0]: entry[2] for entry in entries("passwd", ADA)}
    assert (by_name["root"], by_name["nobody"]) == ("0", "65534")
    groups = {entry[0]: entry[2] for entry in entries("group", ADA)}
    assert (groups["root"], groups["nogroup"]) == ("0", "65534")


def test_every_name_and_number_is_there_once() -> None:
    crowded = UserIdentity("games", 33, 60, "x:1", groups=(UnixGroup("staff", 100), UnixGroup("sudo", 3)))
    for name in ("passwd", "group"):
        listed = entries(name, crowded)
        assert len({entry[0] for entry in listed}) == len({entry[2] for entry in listed}) == len(listed)


def test_of_two_groups_with_one_number_the_first_counts() -> None:
    identity = UserIdentity("ada", 7001, 7001, "x:1", groups=(UnixGroup("astro", 9001), UnixGroup("ops", 9001)))
    accounts = Accounts(source=AccountsFrom.IMAGE)
    assert [entry[0] for entry in entries("group", identity, accounts)] == ["ada", "astro"]
    primary = replace(identity, gid=9001)
    assert [entry[0] for entry in entries("group", primary, accounts)] == ["astro"]


def test_a_primary_group_among_the_groups_keeps_its_name() -> None:
    identity = UserIdentity("ada", 7001, 9001, "x:1", groups=(UnixGroup("ops", 9002), UnixGroup("astro", 9001)))
    assert entries("group", identity)[:2] == [["astro", "x", "9001", "ada"], ["ops", "x", "9002", "ada"]]


def test_a_group_named_like_the_user_does_not_take_the_primary_groups_place() -> None:
    identity = UserIdentity("ada", 7001, 7001, "x:1", groups=(UnixGroup("ada", 9001),))
    assert entries("group", identity)[:2] == [["user-7001", "x", "7001", "ada"], ["ada", "x", "9001", "ada"]]


@given(st.text())
def test_a_full_name_is_one_field(full_name: str) -> None:
    entry = entries("passwd", UserIdentity("ada", 7001, 7001, "x:1", full_name))[0]
    assert len(entry) == 7
    assert entry[5] == "/home/ada"


@pytest.mark.parametrize(
    ("full_name", "comment"),
    [
        ("Lovelace, Ada", "Lovelace Ada"),
        ("Ada:0:0:root", "Ada 0 0 root"),
        # Tools write the account's name in the place of "&" (passwd(5)).
        ("Ada & Co", "Ada Co"),
        (" Ada\n\tLovelace ", "Ada Lovelace"),
        ("Ada\x07\x1b[2J", "Ada[2J"),
    ],
)
def test_a_full_name_loses_what_has_a_meaning_in_the_file(full_name: str, comment: str) -> None:
    assert entries("passwd", UserIdentity("ada", 7001, 7001, "x:1", full_name))[0][4] == comment


@pytest.mark.parametrize(
    "name",
    [
        "", "a:b", "a\nb", "a b", "a/b", "a,b", 'a"b', "a\\b", "-a", "+a", "~a", ".a", "a\0", "a\x7f", "a\u2028b",
        "a" * 256, "ó" * 128,
    ],
)  # fmt: skip
def test_a_name_that_cannot_stand_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        check_account_name(name)
    with pytest.raises(ValueError, match="cannot be the name"):
        account_files(
            Accounts(), UserIdentity("ada", 7001, 7001, "x:1", groups=(UnixGroup(name, 9001),)), "/home/ada"
        )


@pytest.mark.parametrize(
    "name", ["ada", "ada-l", "4da", "ada.l", "ada@example.org", "Ada", "ada_corp", "ólafur", "a" * 255]
)
def test_names_that_providers_give_are_fine(name: str) -> None:
    assert check_account_name(name) == name


@pytest.mark.parametrize(
    "identity",
    [
        UserIdentity("ada", 0, 7001, "x:1"),
        UserIdentity("ada", 7001, 0, "x:1"),
        UserIdentity("ada", -1, 7001, "x:1"),
        UserIdentity("ada", 7001, 7001, "x:1", groups=(UnixGroup("wheel", 0),)),
    ],
)
def test_nobody_gets_the_numbers_of_root(identity: UserIdentity) -> None:
    with pytest.raises(ValueError, match="root"):
        account_files(Accounts(), identity, "/home/ada")


def test_with_the_images_own_accounts_only_the_users_are_written() -> None:
    accounts = Accounts(source=AccountsFrom.IMAGE)
    assert [entry[0] for entry in entries("passwd", ADA, accounts)] == ["ada"]
    assert [entry[0] for entry in entries("group", ADA, accounts)] == ["ada", "astro", "ops"]


def test_with_a_base_nothing_runs_before_the_server() -> None:
    parts = account_parts(Accounts(), ADA, "/home/ada")
    assert not parts.init_steps
    assert not parts.init_containers
    assert [(mount.mount_path, mount.sub_path) for mount in parts.volume_mounts] == [
        ("/etc/passwd", "passwd"),
        ("/etc/group", "group"),
    ]


def test_the_environment_names_the_user() -> None:
    assert account_parts(Accounts(), ADA, "/home/ada").env == {"HOME": "/home/ada", "USER": "ada", "LOGNAME": "ada"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_passwd": "root:x:0"},
        {"base_passwd": ":x:0:0::/:/bin/sh"},
        {"base_group": "root:x:zero:"},
        {"shell": "bash"},
        {"shell": "/bin/a:b"},
        {"shell": "/bin/sh\nroot2:x:0:0::/:/bin/sh"},
    ],
)
def test_a_base_that_is_no_such_file_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"not an entry|absolute path"):
        Accounts(**wrong)


def test_a_base_may_be_a_machines_own_file_with_comments() -> None:
    accounts = Accounts(base_passwd="# local\n\n  \nsvc:x:900:900::/:/bin/false\n")
    assert [entry[0] for entry in entries("passwd", ADA, accounts)] == ["ada", "svc"]
