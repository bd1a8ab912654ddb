"""What a person reads who may not come in; pure."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["denied_text", "not_admitted_text"]


def not_admitted_text(
    provider: str,
    login: str,
    *,
    what: str,
    names: Collection[str] = (),
    hint: str = "",
    operators_text: str = "",
) -> str:
    """Return why nothing lets a person in.

    Parameters
    ----------
    provider, login
        Where they came from, and as whom.
    what
        What would admit them, in the plural: `organizations or teams`.
    names
        The names of those, where they may be told.
    hint
        What else could be the reason.
    operators_text
        The operators' own words.
    """
    if names:
        by = f"Members of these {what} are let in: {', '.join(sorted(names))}."
    else:
        by = f"Members of certain {what} are let in; the hub's operators can tell you which."
    text = f"You came as {login} from {provider}, and nothing lets {login} into this hub. {by}"
    return " ".join(part for part in (text, hint, operators_text) if part)


def denied_text(provider: str, login: str, *, what: str, operators_text: str = "") -> str:
    """Return why a person is kept out, whatever else would let them in; never the name of what does it."""
    text = f"You came as {login} from {provider}, and are in {what} that this hub does not let in."
    return " ".join(part for part in (text, operators_text) if part)
