"""Paths by user: the operator's templates, filled with names that cannot leave their folder; pure."""

from __future__ import annotations

from string import Formatter

from kubespawner.slugs import safe_slug

from jhkube.identity import UserIdentity

__all__ = ["check_template", "fill_template"]

FIELDS = ("username", "unescaped_username", "uid")
"""What a template may name; the first two mean what they mean in KubeSpawner's templates."""


def check_template(trait: str, template: str, *, absolute: bool) -> str:
    """Return `template` where it is one, else raise ValueError naming the `trait` it was configured by.

    Parameters
    ----------
    trait
        The configured name, for the message.
    template
        A path in which `{username}`, `{unescaped_username}` and `{uid}` stand for the user.
    absolute
        Whether the path starts with a slash, or must not.
    """
    if not isinstance(template, str):
        raise ValueError(f"{trait}: should be a text, not {template!r}")
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{trait}: {template!r} is not a template: {error}") from None
    for _, name, spec, conversion in parsed:
        if name is not None and (name not in FIELDS or spec or conversion):
            fields = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise ValueError(f"{trait}: {template!r} has {{{name}}}; a template may have {fields}")
    if absolute != template.startswith("/"):
        raise ValueError(f"{trait}: {template!r} is to {'be an absolute' if absolute else 'be a relative'} path")
    fixed = "".join(text if name is None else f"{text}x" for text, name, _, _ in parsed)
    if any(part in ("..", ".") for part in fixed.split("/")) or ":" in fixed:
        raise ValueError(f"{trait}: {template!r} has a part that is '.' or '..', or a colon")
    return template


def fill_template(template: str, identity: UserIdentity) -> str:
    """Return the path that `template` means for the user.

    `{username}` is escaped as KubeSpawner does: unchanged where it is a valid DNS label already, else a slug
    with a hash. `{unescaped_username}` is the name itself, as an existing file server may have it.

    >>> ada = UserIdentity(name="ada.l", uid=1, gid=1, subject="x:1")
    >>> fill_template("{unescaped_username}/lab", ada)
    'ada.l/lab'

    Raises
    ------
    ValueError
        Where a raw name could leave its folder or is no name of a folder.
    """
    if "{unescaped_username}" in template:
        _check_raw(identity.name)
    slug = safe_slug(identity.name)  # type: ignore[no-untyped-call]
    return template.format(username=slug, unescaped_username=identity.name, uid=int(identity.uid))


def _check_raw(name: str) -> None:
    """Raise ValueError where `name` is no plain name of a folder."""
    if not name:
        raise ValueError("an empty user name cannot name a folder")
    if name.startswith("."):
        raise ValueError(f"the user name {name!r} starts with a dot and cannot name a folder")
    if "/" in name or ":" in name or not name.isprintable():
        raise ValueError(f"the user name {name!r} has a slash, a colon or a control character")
    if len(name.encode()) > 255:
        raise ValueError(f"the user name {name[:20]!r}… is too long to name a folder")
