"""The keys that encrypt auth_state, read from a file."""

from __future__ import annotations

from pathlib import Path

from jupyterhub.crypto import CryptKeeper

from jhkube.deployment.settings import SettingError

__all__ = ["crypt_keys"]


def crypt_keys(path: Path) -> list[bytes]:
    """Return a file's keys for `c.CryptKeeper.keys`: one a line, the newest first; lines that begin with # are notes.

    Raises
    ------
    SettingError
        Where the file cannot be read, has no key, or has a line that is none; a line is named by its number only.
    """
    where = f"JHKUBE_CRYPT_KEYS_FILE={path}"
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{where}: {error}") from None
    keys = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        try:
            keys += CryptKeeper(keys=[line]).keys
        except ValueError:
            raise SettingError(
                f"{where}: line {number} is no key: 32 bytes are, as 64 hexadecimal digits or in base64"
            ) from None
    if not keys:
        raise SettingError(f"{where}: has no key: `openssl rand -hex 32` makes one")
    return keys
