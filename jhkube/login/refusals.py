"""What a person reads who may not come in; pure."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["denied_text", "not_admitted_text", "single_sign_on_text", "unknown_idp_text"]


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


def single_sign_on_text(link: str) -> str:
    """Return what somebody reads of whose organizations GitHub shows a part; `link` is where to sign in."""
    return (
        "GitHub shows this hub only some of your organizations: the others ask for single sign-on (SAML), and this "
        f"login has not been through it. Sign in at {link}, and then log in to this hub again."
    )


def unknown_idp_text(idp: str, operators_text: str = "") -> str:
    """Return what somebody reads whose identity provider this hub does not take."""
    shown = idp if idp.isprintable() and len(idp) <= 255 else "of an unreadable name"
    text = (
        f"You came from the identity provider {shown}, and this hub lets in nobody from there. Log in again, in a "
        "private window, and choose another one."
    )
    return " ".join(part for part in (text, operators_text) if part)
