"""`jhkube rekey`: everybody's auth_state encrypted again with the newest key, so that older keys can go."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import InvalidToken
from jupyterhub import orm
from jupyterhub.app import JupyterHub
from jupyterhub.crypto import CryptKeeper
from sqlalchemy import create_engine, inspect, make_url, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from traitlets import TraitError
from traitlets.config import Config

from jhkube.checks.configuration import MALFORMED_KEY
from jhkube.checks.configured import ConfigurationError
from jhkube.commands.frame import CommandError, set_up

__all__ = ["Rekeyed", "add_arguments", "rekey", "run"]

DONE, LEFT = 0, 1
"""The exit status: the newest key opens all; it does not yet, or never will."""

_User: Any = orm.User


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command is told to its parser."""
    set_up(
        parser,
        run,
        "Encrypt every auth_state with the first of the hub's keys, if it is encrypted with an older one. The hub can"
        " run meanwhile, if it was restarted with both keys. The exit status is 0 if the first key then decrypts"
        " everything, 1 if some are left, and 2 if the configuration or the database is wrong.",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing, and say whether older keys can be removed"
    )


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Encrypt again and return the exit status."""
    try:
        keeper = CryptKeeper(config=config)
        keys = keeper.keys
    except (TraitError, ValueError, TypeError):
        # jupyterhub says so in a TypeError of base64's.
        raise ConfigurationError(MALFORMED_KEY) from None
    if not keys:
        raise ConfigurationError("there is no key: set JUPYTERHUB_CRYPT_KEY, or JHKUBE_CRYPT_KEYS_FILE")
    try:
        with _session(config) as session:
            done = rekey(session, keeper, write=not arguments.check)
    except (SQLAlchemyError, orm.DatabaseSchemaMismatch, ImportError) as error:
        raise CommandError(f"the hub's database (c.JupyterHub.db_url): {_reason(error)}") from None
    return _told(done)


@dataclass
class Rekeyed:
    """What came of everybody's auth_state."""

    newest: int = 0
    """How many the newest key opened before."""

    written: int = 0
    """How many were encrypted with it now."""

    older: int = 0
    """How many still need an older key: those of a check."""

    unreadable: list[str] = field(default_factory=list)
    """Whose no key opens."""


def rekey(session: Session, keeper: CryptKeeper, *, write: bool = True) -> Rekeyed:
    """Encrypt each auth_state with the first key where that does not open it yet; what a hub writes meanwhile stays.

    Parameters
    ----------
    session
        The hub's database.
    keeper
        The keys, the newest first.
    write
        Whether to change anything.
    """
    newest, done = CryptKeeper(keys=keeper.keys[:1]), Rekeyed()
    people = select(_User.id, _User.name).where(_User.encrypted_auth_state.is_not(None))
    for user in session.execute(people).all():
        own = select(_User.encrypted_auth_state).where(_User.id == user.id)
        while (kept := session.scalar(own)) is not None:
            if _opens(newest, kept):
                done.newest += 1
            elif not _opens(keeper, kept):
                done.unreadable.append(user.name)
            elif not write:
                done.older += 1
            elif _replaced(session, user.id, kept, keeper.fernet.rotate(kept)):
                done.written += 1
            else:
                # Somebody logged in meanwhile: look at what the hub has written.
                continue
            break
    return done


def _opens(keeper: CryptKeeper, kept: bytes) -> bool:
    try:
        keeper.fernet.decrypt(kept)
    except InvalidToken:
        return False
    return True


def _replaced(session: Session, user_id: int, before: bytes, after: bytes) -> bool:
    """Write one auth_state, unless it is another than before; say whether it was written."""
    here = update(_User).where(_User.id == user_id, _User.encrypted_auth_state == before)
    result: Any = session.execute(here.values(encrypted_auth_state=after))
    session.commit()
    return bool(result.rowcount)


def _session(config: Config) -> Session:
    """Open the database of a hub with this configuration; not one that is not there yet."""
    hub = JupyterHub(config=config)
    url = make_url(hub.db_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise ConfigurationError(f"there is no database {url.database}: run this in the folder where the hub runs")
    engine = create_engine(url, **hub.db_kwargs)
    try:
        is_hubs = inspect(engine).has_table(_User.__tablename__)
    finally:
        engine.dispose()
    if not is_hubs:
        # jupyterhub would make its tables there, and nobody's auth_state would need an older key.
        raise ConfigurationError(f"{url.render_as_string()} is no hub's database: it has no people")
    session: Session = orm.new_session_factory(hub.db_url, **hub.db_kwargs)()  # type: ignore[no-untyped-call]
    return session


def _reason(error: Exception) -> str:
    """Return what a database says, without the statement that it says it of."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return str(said)


def _told(done: Rekeyed) -> int:
    print(f"{done.written} encrypted again with the newest key; {done.newest} had it already.")
    if done.older:
        print(f"Encrypted with an older key: {done.older}. Run `jhkube rekey` without --check.")
    if done.unreadable:
        print(
            f"No key opens {len(done.unreadable)}: {', '.join(sorted(done.unreadable))}. Add the key that does:"
            " without it these people are refused at their next login.",
            file=sys.stderr,
        )
    return LEFT if done.older or done.unreadable else DONE
