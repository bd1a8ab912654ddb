"""One value of `user_options`: read with its type checked, or refused in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jhkube.operator_errors import nearest

__all__ = [
    "LONGEST",
    "UNLISTED",
    "OptionError",
    "flag_value",
    "listed",
    "profile_values",
    "question",
    "shown",
    "text_value",
    "there_are",
]

UNLISTED: Final = "--unlisted-choice"
"""What KubeSpawner adds to an option's name where its value is typed and not chosen."""

LONGEST: Final = 512
"""The longest text that an option may be: longer than any image reference a registry takes."""


class OptionError(ValueError):
    """An option that cannot be taken, in a sentence for the person who chose it.

    Parameters
    ----------
    field
        The option's name: `image`, `size`, …; empty where it is about the options as a whole.
    message
        One or two sentences, as plain text: what is wrong, and what would be right.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def profile_values(profile: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
    """Return the options of an operator's own profile, in KubeSpawner's names.

    They are checked as KubeSpawner does, but as a whole and in sentences.
    """
    slug = profile["slug"]
    known: Mapping[str, Any] = profile.get("profile_options") or {}
    extra: dict[str, str] = {}
    for key in options:
        name = str(key).removesuffix(UNLISTED)
        if key == "profile" or options[key] is None:
            continue
        if name not in known:
            hint = question(name, known)
            raise OptionError("", f"The profile {slug!r} has no option {shown(key)}.{hint}")
        value = text_value(options, str(key), "")
        if key == name:
            _check_listed(name, value, known[name])
        else:
            _check_unlisted(name, value, known[name])
        extra[str(key)] = value
    for name, option in known.items():
        if not option.get("choices") and f"{name}{UNLISTED}" not in extra:
            raise OptionError(name, f"{option.get('display_name', name)}: type a value.")
    return extra


def _check_listed(name: str, value: str, option: Mapping[str, Any]) -> None:
    choices = option.get("choices") or {}
    if value not in choices:
        raise OptionError(name, f"{option.get('display_name', name)}: there is no {shown(value)} to choose.")


def _check_unlisted(name: str, value: str, option: Mapping[str, Any]) -> None:
    label = option.get("display_name", name)
    unlisted = option.get("unlisted_choice") or {}
    if not unlisted.get("enabled"):
        raise OptionError(name, f"{label}: your own value is not allowed here. Choose one from the list.")
    pattern = unlisted.get("validation_regex")
    if not value or (pattern and not re.fullmatch(pattern, value)):
        reason = unlisted.get("validation_message") or f"{shown(value)} cannot be taken"
        raise OptionError(name, f"{label}: {reason}")


def text_value(options: Mapping[str, Any], field: str, default: Any) -> Any:
    """Return a text, or the default where there is none."""
    value = options.get(field)
    if value is None:
        return default
    if not isinstance(value, str):
        raise OptionError(field, f"The option {field!r} should be a text, not {shown(value)}.")
    if len(value) > LONGEST:
        raise OptionError(field, f"The option {field!r} should be at most {LONGEST} characters long.")
    return value


def flag_value(options: Mapping[str, Any], field: str) -> bool:
    """Return whether something is asked for; not where nobody says anything."""
    value = options.get(field)
    if value is not None and not isinstance(value, bool):
        raise OptionError(field, f"The option {field!r} should be true or false, not {shown(value)}.")
    return bool(value)


def there_are(names: Iterable[Any]) -> str:
    """Return `there are small, medium and large`."""
    named = [*map(str, names)]
    return f"there {'are' if len(named) > 1 else 'is'} {listed(named)}"


def listed(names: Iterable[str]) -> str:
    """Return `small, medium and large`."""
    *most, last = names
    return f"{', '.join(most)}{' and ' if most else ''}{last}"


def shown(value: Any) -> str:
    """Return a value for a sentence: quoted, on one line, and not long."""
    text = value if isinstance(value, str) else repr(value)
    text = text if text.isprintable() else repr(text)[1:-1]
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f"'{text}'" if isinstance(value, str) else text


def question(text: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'size'?`, or an empty text where nothing known is near."""
    hint = nearest(text, known).removeprefix("; ")
    return f" {hint[0].upper()}{hint[1:]}" if hint else ""
