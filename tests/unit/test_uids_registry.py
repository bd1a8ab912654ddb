"""The numbers of the people in a hub's own database."""

from __future__ import annotations

import logging

import pytest
from jupyterhub import orm
from jupyterhub.crypto import CryptKeeper, encrypt

from jhkube.identity import AUTH_STATE_KEY, UserIdentity
from jhkube.login.numbers import DerivedIds, IdError
from jhkube.login.owners import NumberOwners, kept_auth_states

GIDS = DerivedIds("gid", 200_000, 299_999)


@pytest.fixture
async def database():
    """A hub's database with `ada`, `ben` whose key is lost, and `cem` who has never logged in."""
    keeper = CryptKeeper.instance(keys=["11" * 32])
    session = orm.new_session_factory("sqlite:///:memory:")()
    identity = UserIdentity("ada", 5000, 5000, "cilogon:ada").to_dict()
    kept = {
        "ada": await encrypt({AUTH_STATE_KEY: identity}),
        "ben": b"encrypted with a key that is lost",
        "cem": None,
    }
    for name, state in kept.items():
        session.add(orm.User(name=name, encrypted_auth_state=state))
    session.commit()
    yield session
    session.close()
    keeper.executor.shutdown()
    CryptKeeper.clear_instance()


async def test_a_number_of_somebody_in_the_database_is_not_given_again(database):
    registry = NumberOwners(GIDS, logging.getLogger(__name__))
    await registry.load(lambda: kept_auth_states(database))
    with pytest.raises(IdError, match="uid 5000 of cilogon:dan is cilogon:ada's already"):
        registry.note(UserIdentity("dan", 5000, 5000, "cilogon:dan"))


@pytest.mark.parametrize(("name", "subject"), [("ada", "cilogon:heir"), ("ada-l", "cilogon:ada")])
async def test_a_number_goes_with_the_person_and_with_an_account_that_is_handed_over(database, name, subject):
    registry = NumberOwners(GIDS, logging.getLogger(__name__))
    await registry.load(lambda: kept_auth_states(database))
    registry.note(UserIdentity(name, 5000, 5000, subject))


async def test_the_same_person_keeps_the_number(database):
    registry = NumberOwners(GIDS, logging.getLogger(__name__))
    await registry.load(lambda: kept_auth_states(database))
    registry.note(UserIdentity("ada", 5000, 5000, "cilogon:ada"))
