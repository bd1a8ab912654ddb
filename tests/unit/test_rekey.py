"""`jhkube rekey` on SQLite, beside a hub that writes at the same time."""

from __future__ import annotations

import pytest
from jupyterhub import orm
from jupyterhub.crypto import CryptKeeper

from jhkube.cli import main
from jhkube.commands import rekey

OLD, NEW = "11" * 32, "22" * 32


@pytest.fixture
def hub(tmp_path):
    """Return a hub's configuration with both keys, and its database with people of the old key's time."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    config = tmp_path / "jupyterhub_config.py"
    config.write_text(f"c.JupyterHub.db_url = {url!r}\nc.CryptKeeper.keys = {[NEW, OLD]!r}\n")
    session = orm.new_session_factory(url)()
    for name in ("ada", "grace"):
        session.add(orm.User(name=name, encrypted_auth_state=encrypted(name, OLD)))
    session.add(orm.User(name="nobody"))
    session.commit()
    yield config, session
    session.close()


def encrypted(text, *keys):
    return CryptKeeper(keys=list(keys)).fernet.encrypt(text.encode())


def kept(session, *keys):
    session.expire_all()
    fernet = CryptKeeper(keys=list(keys)).fernet
    found = {user.name: user.encrypted_auth_state for user in session.query(orm.User)}
    return {name: value and fernet.decrypt(value).decode() for name, value in found.items()}


def test_the_newest_key_opens_everything_afterwards(hub, capsys):
    config, session = hub
    assert main(["rekey", "--config", str(config), "--check"]) == 1
    assert kept(session, OLD)["ada"] == "ada"
    assert main(["rekey", "--config", str(config)]) == 0
    assert "2 encrypted again with the newest key; 0 had it already." in capsys.readouterr().out
    assert kept(session, NEW) == {"ada": "ada", "grace": "grace", "nobody": None}


def test_what_a_hub_writes_meanwhile_stays(hub, monkeypatch):
    config, session = hub
    replaced = rekey._replaced

    def after_a_login(own, user_id, before, after):
        user = session.get(orm.User, user_id)
        if before == user.encrypted_auth_state and user.name == "ada":
            user.encrypted_auth_state = encrypted("ada has a new token", NEW, OLD)
            session.commit()
        return replaced(own, user_id, before, after)

    monkeypatch.setattr(rekey, "_replaced", after_a_login)
    assert main(["rekey", "--config", str(config)]) == 0
    assert kept(session, NEW) == {"ada": "ada has a new token", "grace": "grace", "nobody": None}


def test_a_database_that_is_not_there_is_not_made(tmp_path, capsys):
    config = tmp_path / "config.py"
    config.write_text(f"c.JupyterHub.db_url = 'sqlite:///{tmp_path}/hub.sqlite'\nc.CryptKeeper.keys = [{NEW!r}]\n")
    assert main(["rekey", "--config", str(config)]) == 2
    assert f"there is no database {tmp_path}/hub.sqlite" in capsys.readouterr().err
    assert not (tmp_path / "hub.sqlite").exists()


def test_without_a_key_nothing_can_be_done(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_CRYPT_KEY", raising=False)
    (tmp_path / "config.py").write_text("")
    assert main(["rekey", "--config", str(tmp_path / "config.py")]) == 2
    assert "there is no key: set JUPYTERHUB_CRYPT_KEY" in capsys.readouterr().err


def test_a_database_that_is_no_hubs_stays_as_it_is(tmp_path, capsys):
    database, config = tmp_path / "another.sqlite", tmp_path / "jupyterhub_config.py"
    database.touch()
    config.write_text(f"c.JupyterHub.db_url = 'sqlite:///{database}'\nc.CryptKeeper.keys = {[NEW, OLD]!r}\n")
    assert main(["rekey", "--config", str(config), "--check"]) == 2
    assert f"sqlite:///{database} is no hub's database" in capsys.readouterr().err
    assert database.stat().st_size == 0
