"""What must not be shown: secrets by their names, and by what they look like in a text; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["HIDDEN", "is_elsewhere", "is_secret_name", "without_secrets", "without_secrets_in"]

HIDDEN = "…"
"""What stands in the place of a secret."""

_NAME = re.compile(
    r"(secret|passw(or)?d|pwd|passphrase|token|credentials?|(^|_)(pass|pat|keys)"
    r"|(access|account|api|auth|crypt|encryption|private|secret|signing)_?keys?)$",
    re.IGNORECASE,
)
_NOT = frozenset({"credentials_secret", "JHKUBE_PULL_SECRET", "PWD", "OLDPWD"})
"""Settings and variables whose name ends like a secret's and that are none."""

_ELSEWHERE = re.compile(r"(/[\w.-]+){2,}|https?://\S+")
"""Where a secret is, or comes from: a path or an address."""

# password, MYSQL_PWD, client-secret, apiKey: how the name of an option or of a variable ends.
_NAMED = (
    r"[\w-]*(?:password|passwd|passphrase|pwd|token|credentials?|[_-]secret"
    r"|(?:secret|api|account|access|private)[_-]?key)"
)

_SECRETS = (
    # https://user:password@registry.example/..., up to the last @ before the path
    (re.compile(r"(?<=://)[^/\s\"']*@"), "…@"),
    # user:password@proxy.example:3128, but neither lab:tag@sha256:... nor oidc:ada@example.org
    (re.compile(r"(?<![^\s\"'=])[^\s:/@\"'=]+:[^\s/@\"']+@(?=[\w.-]+:\d{1,5}\b)(?!sha\d+:)"), "…@"),
    # https://storage.example/blob?X-Amz-Signature=...
    (re.compile(r"(?<=\w)\?[\w.%~+-]+=[^\s\"']*"), "?…"),
    # Authorization: Bearer abc, "Basic abc="
    (re.compile(r"\b(bearer|basic|token)\s+(?!-)[\w.~+/-]{8,}=*", re.IGNORECASE), r"\1 …"),
    # mount options and environment: password=abc, api_token: abc, OPENAI_API_KEY="abc"
    (
        # Begun where a word begins: at each hyphen anew, a long text would be read as often as it has hyphens.
        re.compile(rf"(?<![\w-])({_NAMED})(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;\"']+)", re.IGNORECASE),
        r"\1\2…",
    ),
    # an option and its value: --password abc
    (re.compile(rf"(?<![\w-])(--?(?:[\w-]+\.)*{_NAMED})(\s+)(?!-)(\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE), r"\1\2…"),
    # GitHub's and GitLab's tokens, JSON web tokens, keys of OpenAI, Slack and Hugging Face
    (re.compile(r"\b(?:gh[opsur]_|github_pat_|glpat-)\w+|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*"), "…"),
    (re.compile(r"\b(?:sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|hf_\w{20,})"), "…"),
    (re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL), r"\1…"),
    # what the API server repeats of a manifest it did not like
    (re.compile(r"(Invalid value: )(?:\"(?:[^\"\\]|\\.)*\"|\S+)"), r"\1…"),
)


def is_secret_name(name: str) -> bool:
    """Say whether what has this name is a secret.

    Examples
    --------
    >>> [is_secret_name(name) for name in ("AWS_SECRET_ACCESS_KEY", "MYSQL_PWD", "JHKUBE_PULL_SECRET", "KEYBOARD")]
    [True, True, False, False]
    """
    return bool(_NAME.search(name)) and name not in _NOT


def is_elsewhere(value: str) -> bool:
    """Say whether a value is a path or an address: it tells where a secret is, and is none itself."""
    return _ELSEWHERE.fullmatch(value) is not None


def without_secrets(text: str) -> str:
    """Return a text with what may be a secret replaced by "…".

    Examples
    --------
    >>> without_secrets("postgresql://ada:mumble@db/labs")
    'postgresql://…@db/labs'
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def without_secrets_in(manifest: Any, shown: frozenset[str] = frozenset(), name: str = "") -> tuple[Any, list[str]]:
    """Return a copy of a manifest without secrets, and the names of what was hidden in it.

    Parameters
    ----------
    manifest
        An object of Kubernetes, as the API's JSON, or a part of one.
    shown
        Values that may be shown, whatever their names are.
    name
        What the part is called: that of an environment variable, or its key.
    """
    hidden: list[str] = []

    def part(value: Any, key: str) -> Any:
        found, names = without_secrets_in(value, shown, key)
        hidden.extend(names)
        return found

    if isinstance(manifest, Mapping):
        variable = manifest.get("name")
        return {
            key: part(value, variable if key == "value" and isinstance(variable, str) else str(key))
            for key, value in manifest.items()
        }, hidden
    if isinstance(manifest, list | tuple):
        # --password and what comes after it are two items of a command.
        before = ("", *manifest)
        options = [str(each).lstrip("-") if str(each).startswith("-") else name for each in before]
        return [part(value, option) for value, option in zip(manifest, options, strict=False)], hidden
    if not isinstance(manifest, str) or manifest in ("", *shown):
        return manifest, hidden
    is_secret = is_secret_name(name.rpartition(".")[2].replace("-", "_")) and not is_elsewhere(manifest)
    text = HIDDEN if is_secret else without_secrets(manifest)
    return text, [name] if text != manifest else []
