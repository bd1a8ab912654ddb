"""Secrets taken out of texts: by their names, by what they look like, and by what a configuration says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "HIDDEN",
    "is_elsewhere",
    "is_secret_name",
    "redactor",
    "without_secrets",
    "without_secrets_in",
    "without_url_secrets",
]

HIDDEN = "…"
"""What stands in the place of a secret."""

SHORTEST = 6
"""Characters of a configured secret: what is shorter is in any sentence by chance."""

_NAME = re.compile(
    r"(secret|passw(or)?d|pwd|passphrase|token|credentials?|(^|_)(pass|pat|keys|auth)"
    r"|(access|account|api|auth|crypt|encryption|private|secret|signing)_?keys?)$",
    re.IGNORECASE,
)
_NOT = frozenset({"credentials_secret", "JHKUBE_PULL_SECRET", "PWD", "OLDPWD"})
"""Settings and variables whose name ends like a secret's and that are none."""

_ELSEWHERE = re.compile(r"(/[\w.-]+){2,}|https?://\S+")
"""Where a secret is, or comes from: a path or an address."""

# password, MYSQL_PWD, DB_PASS, client-secret, apiKey: how the name of an option or of a variable ends.
_NAMED = (
    r"[\w-]*(?:password|passwd|passphrase|pwd|token|credentials?|[_-]secret|(?<![a-z])pass"
    r"|(?:secret|api|account|access|private)[_-]?key)"
)

_COMMAND = re.compile(
    r"""(?P<before>(?:(?<=[\s/"'])|^)
        (?: (?:mysql|mariadb)[\w-]* (?:\s+\S+){0,40}? \s+-p
          | sshpass (?:\s+\S+){0,40}? \s+-p\s*
          | redis-cli (?:\s+\S+){0,40}? \s+-a\s+
          | curl (?:\s+\S+){0,40}? \s+(?:-u|--user|--proxy-user)[\s=]*[^\s:"'=]+: ))
        (?P<secret>[^\s"']+)""",
    re.VERBOSE,
)

_SECRETS = (
    # https://user:password@registry.example/..., up to the last @ before the path
    (re.compile(r"(?<=://)[^/\s\"']*@"), "…@"),
    # the same with a slash in the password, but not https://registry.example:5000/lab@sha256:...
    (re.compile(r"(?<=://)[^/\s\"'@:\[]{0,200}:(?!\d{1,5}/)[^\s\"'@]{1,200}@"), "…@"),
    # user:password@proxy.example:3128, user:password@db.example/labs, but neither lab:tag@sha256:... nor
    # oidc:ada@example.org
    (re.compile(r"(?<![^\s\"'=])[^\s:/@\"'=]+:[^\s/@\"']+@(?=[\w.-]+(?::\d{1,5}\b|/))(?!sha\d+:)"), "…@"),
    # https://storage.example/blob?X-Amz-Signature=...
    (re.compile(r"(?<=\w)\?[\w.%~+-]+=[^\s\"']*"), "?…"),
    # Authorization: Bearer abc, "Basic abc="
    (re.compile(r"\b(bearer|basic|token)\s+(?!-)[\w.~+/-]{8,}=*", re.IGNORECASE), r"\1 …"),
    # mount options, environment, JSON: password=abc, api_token: abc, OPENAI_API_KEY="abc", {"password": "abc"}
    (
        # Begun where a word begins: if each hyphen began one, a long text would be read as often as it has hyphens.
        re.compile(
            rf"(?<![\w-])({_NAMED}|secret(?==))(\\?[\"']?\s*[=:]\s*)"
            r"(\\\"[^\"\\]*\\\"|\"[^\"]*\"|'[^']*'|[^\s,;\"']+)",
            re.IGNORECASE,
        ),
        r"\1\2…",
    ),
    # options of programs that people know: mysql -pabc, sshpass -p abc, redis-cli -a abc, curl -u ada:abc
    (_COMMAND, r"\g<before>…"),
    # an option and its value: --password abc
    (re.compile(rf"(?<![\w-])(--?(?:[\w-]+\.)*{_NAMED})(\s+)(?!-)(\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE), r"\1\2…"),
    # GitHub's and GitLab's tokens, JSON web tokens, keys of OpenAI, Slack and Hugging Face
    (re.compile(r"\b(?:gh[opsur]_|github_pat_|glpat-)\w+|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*"), "…"),
    (re.compile(r"\b(?:sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|hf_\w{20,})"), "…"),
    (re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL), r"\1…"),
    # what the API server repeats of a manifest it did not like
    (re.compile(r"(Invalid value: )(?:\"(?:[^\"\\]|\\.)*\"|\S+)"), r"\1…"),
)

# ada:abc@db.example.org, as an argument or a variable; not lab:2026@sha256:...
_USER_AND_PASSWORD = re.compile(r"^[^\s:/@=]+:[^\s/@]+@(?=[\w.-]+$)")

# The words are those of jupyterhub.log, which looks at its own line of a request only.
_PARAMETER = r"[\w.-]*(?:token|auth|key|code|state|secret|_xsrf)[\w.-]*"
_IN_ADDRESS = re.compile(rf"([?&]{_PARAMETER}=)[^&\s\"'<>()]+", re.IGNORECASE)
# An address that is a parameter of another one.
_IN_PARAMETER = re.compile(rf"((?:%3F|%26){_PARAMETER}%3D)(?:(?!%26)[^&\s\"'<>()])+", re.IGNORECASE)


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


def without_url_secrets(text: str) -> str:
    """Return a text without the values of those parameters of addresses that let somebody in.

    Examples
    --------
    >>> without_url_secrets("403 GET /hub/oauth_callback?code=5f1c&page=2")
    '403 GET /hub/oauth_callback?code=[secret]&page=2'
    """
    return _IN_PARAMETER.sub(r"\1[secret]", _IN_ADDRESS.sub(r"\1[secret]", text))


def without_secrets_in(manifest: Any, shown: frozenset[str] = frozenset()) -> tuple[Any, list[str]]:
    """Return a copy of a manifest without secrets, and the names of what was hidden in it.

    Parameters
    ----------
    manifest
        An object of Kubernetes, as the API's JSON, or a part of one.
    shown
        Values that may be shown, whatever their names are.
    """
    hidden: list[str] = []
    return _without_secrets(manifest, shown, hidden, "", is_argument=False), hidden


def _without_secrets(value: Any, shown: frozenset[str], hidden: list[str], name: str, *, is_argument: bool) -> Any:
    """Return a part of a manifest that is called `name`, and note in `hidden` what is left out of it."""
    if isinstance(value, Mapping):
        variable = value.get("name")
        found = {}
        for key, part in value.items():
            is_variable = key == "value" and isinstance(variable, str)
            part_name = str(variable if is_variable else key)
            found[key] = _without_secrets(part, shown, hidden, part_name, is_argument=is_variable)
        return found
    if isinstance(value, list | tuple):
        # --password and what comes after it are two items of a command.
        before = ("", *value)
        options = [str(each).lstrip("-") if str(each).startswith("-") else name for each in before]
        parts = [
            _without_secrets(part, shown, hidden, name if str(part).startswith("-") else option, is_argument=True)
            for part, option in zip(value, options, strict=False)
        ]
        return _without_short_options(parts, hidden, name)
    if not isinstance(value, str) or value in ("", *shown):
        return value
    is_secret = is_secret_name(name.rpartition(".")[2].replace("-", "_")) and not is_elsewhere(value)
    text = HIDDEN if is_secret else without_secrets(value)
    # In an annotation the same may be a person: oidc:ada@example.org.
    if is_argument:
        text = _USER_AND_PASSWORD.sub("…@", text)
    if text != value:
        hidden.append(name)
    return text


def _without_short_options(parts: list[Any], hidden: list[str], name: str) -> list[Any]:
    """Return the items of a command line without what `_COMMAND` finds in all of them together."""
    if not all(isinstance(part, str) for part in parts):
        return parts
    found: list[Any] = []
    for part in parts:
        line = " ".join((*found, part))
        match = next((each for each in _COMMAND.finditer(line) if each.end() == len(line)), None)
        if match and match["secret"] != HIDDEN and len(match["secret"]) <= len(part):
            part = part.removesuffix(match["secret"]) + HIDDEN
            hidden.append(name)
        found.append(part)
    return found


def redactor(config: Mapping[str, Any], environ: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that takes the secrets of a configuration and its environment out of a text.

    Examples
    --------
    >>> redactor({}, {"GITHUB_CLIENT_SECRET": "mumble"})("not 'mumble'")
    "not '…'"
    """
    found = {text for text in _configured_secrets(config, environ) if len(text) >= SHORTEST}
    ordered = sorted(found, key=len, reverse=True)

    def redacted(text: str) -> str:
        for each in ordered:
            text = text.replace(each, HIDDEN)
        return text

    return redacted


def _configured_secrets(config: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        yield from _parts(name, value)
    for section in config.values():
        if isinstance(section, Mapping):
            for name, value in section.items():
                yield from _parts(name, value)


def _parts(name: str, value: Any) -> Iterator[str]:
    """Yield the texts of a value that are secrets: all of them by the name, or the password in a URL."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _parts(f"{name}.{key}", item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _parts(name, item)
    elif isinstance(value, bytes):
        yield from _parts(name, value.decode(errors="replace"))
    elif isinstance(value, str):
        if is_secret_name(name) and not is_elsewhere(value):
            yield value
            yield from (part.strip() for part in value.split(";"))
        elif "://" in value and "@" in value:
            try:
                yield urlsplit(value).password or ""
            except ValueError:
                return
