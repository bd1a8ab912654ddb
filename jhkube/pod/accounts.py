"""The user's passwd and group entries, so that any image knows the user by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kubernetes_asyncio.client.models import V1EmptyDirVolumeSource, V1Volume, V1VolumeMount

from jhkube.identity import UnixGroup, UserIdentity
from jhkube.pod.parts import InitStep, PodParts
from jhkube.pod.secret import SECRET_PATH, SECRET_VOLUME, SecretFiles

__all__ = ["Accounts", "AccountsFrom", "account_files", "account_parts", "check_account_name"]

PASSWD = "passwd"  # noqa: S105
GROUP = "group"

MERGED_VOLUME = "jhkube-accounts"
"""The volume that the init container writes the merged files to, where the image's own are kept."""

DEBIAN_PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
games:x:5:60:games:/usr/games:/usr/sbin/nologin
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
news:x:9:9:news:/var/spool/news:/usr/sbin/nologin
uucp:x:10:10:uucp:/var/spool/uucp:/usr/sbin/nologin
proxy:x:13:13:proxy:/bin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
list:x:38:38:Mailing List Manager:/var/list:/usr/sbin/nologin
irc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""  # noqa: S105
"""The users every Debian has (its package base-passwd); others number root and nobody alike."""

DEBIAN_GROUP = "".join(
    f"{name}:x:{gid}:\n"
    for name, gid in {
        "root": 0, "daemon": 1, "bin": 2, "sys": 3, "adm": 4, "tty": 5, "disk": 6, "lp": 7, "mail": 8,
        "news": 9, "uucp": 10, "man": 12, "proxy": 13, "kmem": 15, "dialout": 20, "fax": 21, "voice": 22,
        "cdrom": 24, "floppy": 25, "tape": 26, "sudo": 27, "audio": 29, "dip": 30, "www-data": 33,
        "backup": 34, "operator": 37, "list": 38, "irc": 39, "src": 40, "shadow": 42, "utmp": 43,
        "video": 44, "sasl": 45, "plugdev": 46, "staff": 50, "games": 60, "users": 100, "nogroup": 65534,
    }.items()
)  # fmt: skip
"""The groups every Debian has."""

_FORBIDDEN = set(':/,"\\')
"""Characters with a meaning in passwd and group entries or in a path; white space and control go too."""


class AccountsFrom(StrEnum):
    """What the user's entries are added to."""

    BASE = "base"
    """A configured list, Debian's by default: nothing runs before the server."""

    IMAGE = "image"
    """The image's own /etc/passwd and /etc/group: an init container of that image merges them."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the operator has configured about the user's account."""

    source: AccountsFrom = AccountsFrom.BASE
    """What the user's entries are added to."""

    base_passwd: str = DEBIAN_PASSWD
    """The other users' entries for `AccountsFrom.BASE`."""

    base_group: str = DEBIAN_GROUP
    """The other groups' entries for `AccountsFrom.BASE`."""

    shell: str = "/bin/bash"
    """The login shell in the user's entry."""

    def __post_init__(self) -> None:
        for trait, text, fields in (("passwd", self.base_passwd, 7), ("group", self.base_group, 4)):
            for line in _lines(text):
                entry = line.split(":")
                if len(entry) != fields or not entry[0] or not entry[2].isdecimal():
                    raise ValueError(f"accounts_{trait}: not an entry of a {trait} file: {line!r}")
        if not self.shell.startswith("/") or set(self.shell) & set(":\n"):
            raise ValueError(f"login_shell: should be an absolute path, not {self.shell!r}")


def check_account_name(name: str) -> str:
    """Return `name` where it can stand in a passwd or group file, else raise ValueError."""
    if (
        not name
        or len(name.encode()) > 255
        or name[0] in "-+~."
        or not name.isprintable()
        or any(character.isspace() or character in _FORBIDDEN for character in name)
    ):
        raise ValueError(f"{name!r} cannot be the name of a unix account")
    return name


def account_files(accounts: Accounts, identity: UserIdentity, home: str) -> SecretFiles:
    """Return the Secret's files `passwd` and `group`.

    With `AccountsFrom.BASE` they are complete; with `AccountsFrom.IMAGE` they have the user's own entries.
    An entry of the base that has the user's name or number gives way.

    Parameters
    ----------
    accounts
        The configuration.
    identity
        The user.
    home
        The user's home in the pod.

    Raises
    ------
    ValueError
        Where the identity is root's, or a name cannot stand in such a file.
    """
    if identity.uid < 1 or identity.gid < 1 or any(group.gid < 1 for group in identity.groups):
        raise ValueError(f"{identity.name}: the numbers of root are not given to a user")
    groups = _groups(identity)
    passwd = [
        f"{check_account_name(identity.name)}:x:{identity.uid}:{identity.gid}:"
        f"{_gecos(identity.full_name)}:{home}:{accounts.shell}"
    ]
    group = [f"{check_account_name(each.name)}:x:{each.gid}:{identity.name}" for each in groups]
    if accounts.source is AccountsFrom.BASE:
        passwd += _others(accounts.base_passwd, {identity.name}, {identity.uid})
        group += _others(accounts.base_group, {each.name for each in groups}, {each.gid for each in groups})
    return SecretFiles({PASSWD: "\n".join(passwd) + "\n", GROUP: "\n".join(group) + "\n"})


def account_parts(accounts: Accounts, identity: UserIdentity, home: str) -> PodParts:
    """Return the mounts of /etc/passwd and /etc/group, and HOME, USER and LOGNAME.

    Single files are mounted by subPath, which leaves the rest of the image's /etc as it is.
    """
    env = {"HOME": home, "USER": identity.name, "LOGNAME": identity.name}
    if accounts.source is AccountsFrom.BASE:
        return PodParts(volume_mounts=_etc_mounts(SECRET_VOLUME), env=env)
    merge = InitStep(
        script=_MERGE,
        volume_mounts=(
            V1VolumeMount(name=MERGED_VOLUME, mount_path="/jhkube/accounts"),
            V1VolumeMount(name=SECRET_VOLUME, mount_path=SECRET_PATH, read_only=True),
        ),
    )
    return PodParts(
        volumes=(V1Volume(name=MERGED_VOLUME, empty_dir=V1EmptyDirVolumeSource(medium="Memory")),),
        volume_mounts=_etc_mounts(MERGED_VOLUME),
        init_steps=(merge,),
        env=env,
    )


_MERGE = f"""\
merge() {{ # the user's entries, then those of the image with another name and another number
  while IFS= read -r line; do printf '%s\\n' "$line"; done <{SECRET_PATH}/"$1"
  [ -r /etc/"$1" ] || return 0
  while IFS=: read -r name password number rest || [ -n "$name" ]; do
    taken=
    while IFS=: read -r our_name our_password our_number our_rest; do
      if [ "$name" = "$our_name" ] || [ "$number" = "$our_number" ]; then taken=yes; fi
    done <{SECRET_PATH}/"$1"
    [ -n "$taken" ] || printf '%s\\n' "$name:$password:$number:$rest"
  done </etc/"$1"
}}
for file in passwd group; do
  merge "$file" >/jhkube/accounts/"$file" || fail "/etc/$file could not be made"
done
"""


def _etc_mounts(volume: str) -> tuple[V1VolumeMount, ...]:
    return tuple(
        V1VolumeMount(name=volume, mount_path=f"/etc/{file}", sub_path=file, read_only=True)
        for file in (PASSWD, GROUP)
    )


def _groups(identity: UserIdentity) -> tuple[UnixGroup, ...]:
    """Return the user's groups, the primary one first and by some name, each number once."""
    by_gid = {group.gid: group for group in reversed(identity.groups)}
    names = {group.name for group in identity.groups}
    own = identity.name if identity.name not in names else f"user-{identity.uid}"
    primary = by_gid.pop(identity.gid, UnixGroup(own, identity.gid))
    return (primary, *(group for group in identity.groups if by_gid.pop(group.gid, None) is group))


def _gecos(full_name: str) -> str:
    """Return a full name as the comment field of a passwd entry, whose own marks are `:` and `,`."""
    plain = "".join(" " if character in ":,&" else character for character in full_name)
    return "".join(character for character in " ".join(plain.split()) if character.isprintable())


def _lines(text: str) -> list[str]:
    """Return the entries of a passwd or group file, without blank lines and comments."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _others(entries: str, names: set[str], numbers: set[int]) -> list[str]:
    split = [(line, line.split(":")) for line in _lines(entries)]
    return [line for line, entry in split if entry[0] not in names and int(entry[2]) not in numbers]
