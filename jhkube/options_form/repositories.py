"""Starting from a repository: what an operator allows, and the options that a person gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Any, Final, Literal

from jhkube.images.image_name import is_image
from jhkube.operator_models import ConfigError, OperatorModel, read_list
from jhkube.operator_types import HostAndPort, Wanted
from jhkube.repository import Repository, branch_name, commit_id, repository_url

from .option_values import OptionError, flag_value, text_value

__all__ = [
    "NO_REPOSITORIES",
    "REPOSITORY_KEYS",
    "ImageTemplate",
    "Repositories",
    "parse_image_template",
    "parse_repository_hosts",
    "read_repository",
]

REPOSITORY_KEYS: Final = ("repository", "branch", "commit", "submodules", "lfs")
"""The options that say what to clone."""

FIELDS: Final = ("path", "name", "branch", "commit")
"""What the template of an image can name."""


class RepositoryHost(OperatorModel):
    """A git server whose repositories people may clone."""

    host: HostAndPort
    """Name and, where it is not the scheme's own, port: `github.com`, `git.example.org:3000`."""

    scheme: Annotated[Literal["https", "http"], Wanted("https or http")] = "https"
    """`https`; `http` sends everything in the clear and is for development only."""

    @property
    def url(self) -> str:
        """The host as addresses begin with it: `https://github.com`."""
        return f"{self.scheme}://{self.host}"


@dataclass(frozen=True, slots=True)
class ImageTemplate:
    """Where the image of a repository is; `parse_image_template` makes one."""

    parts: tuple[tuple[str, str, int], ...]
    """Text, the field after it (empty for none) and how many characters of that are taken (0 for all)."""

    def image_of(self, repository: Repository) -> str:
        """Return the repository's own image; empty where something that the template names is not known."""
        values = {
            "path": repository.path.lower(),
            "name": repository.path.lower().rpartition("/")[2],
            # What a branch may have and a tag may not.
            "branch": re.sub(r"[^A-Za-z0-9_.-]", "-", repository.branch),
            "commit": repository.commit,
        }
        image = ""
        for text, field, length in self.parts:
            value = values[field][: length or None] if field else ""
            if field and (not value or len(value) < length):
                return ""
            image += text + value
        return image if is_image(image) else ""


@dataclass(frozen=True, slots=True)
class Repositories:
    """What an operator allows of repositories."""

    hosts: tuple[str, ...] = ()
    """The hosts with their scheme, `https://github.com`; none where people cannot start from a repository."""

    image: ImageTemplate | None = None
    """Where the images of repositories are; None where they have none."""

    def own_image(self, repository: Repository | None) -> str:
        """Return the image that a repository would have; empty where it has none."""
        return self.image.image_of(repository) if repository and self.image else ""


NO_REPOSITORIES: Final = Repositories()


def parse_repository_hosts(config: Any) -> tuple[str, ...]:
    """Return the hosts of a configured list, names or URLs, with their scheme.

    >>> parse_repository_hosts(["github.com", "http://git.example.org:3000"])
    ('https://github.com', 'http://git.example.org:3000')

    Raises
    ------
    ConfigError
        Where an entry is not a host.
    """
    if isinstance(config, list | tuple):
        config = [_host(entry) if isinstance(entry, str) else entry for entry in config]
    hosts = read_list(RepositoryHost, "repository_hosts", config)
    return tuple(dict.fromkeys(host.url for host in hosts))


def _host(text: str) -> dict[str, str]:
    scheme, separator, host = text.rpartition("://")
    return {"host": host.removesuffix("/"), "scheme": scheme} if separator else {"host": text}


def parse_image_template(text: str) -> ImageTemplate | None:
    """Return the template of an image; None for an empty one.

    >>> parse_image_template("registry.example.org/{path}:{commit:7}").image_of(
    ...     Repository("https://github.com/observatory/Notes", commit="1f3c9a2b")
    ... )
    'registry.example.org/observatory/notes:1f3c9a2'

    Raises
    ------
    ConfigError
        Where it names something else than `path`, `name`, `branch` and `commit`, or can be no image.
    """
    if not text:
        return None
    example = "such as 'registry.example.org/{path}:{commit:7}'"
    try:
        parts = tuple(_part(*each) for each in Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"repository_image: {error}; it should be an image, {example}") from None
    template = ImageTemplate(parts)
    if not {"path", "name"} & {field for _, field, _ in parts}:
        raise ConfigError(f"repository_image: should have {{path}} or {{name}}, {example}")
    if not is_image(template.image_of(_sample(parts))):
        raise ConfigError(f"repository_image: {text!r} cannot be an image; it should be one {example}")
    return template


def _part(text: str, field: str | None, length: str | None, conversion: str | None) -> tuple[str, str, int]:
    if field is None:
        return text, "", 0
    if field not in FIELDS:
        raise ValueError(f"there is no field {{{field}}}; there are {', '.join(FIELDS)}")
    if conversion or (length and not re.fullmatch(r"[1-9]|[1-3][0-9]|40", length)):
        raise ValueError(f"{{{field}}} takes a number of characters from 1 to 40 after a colon")
    return text, field, int(length or 0)


def _sample(parts: tuple[tuple[str, str, int], ...]) -> Repository:
    """Return a repository in which every field is as long as the template asks for."""
    longest = max(length for _, _, length in parts)
    name = "notes".ljust(longest, "x")
    return Repository(f"https://git.example.org/team/{name}", "main".ljust(longest, "x"), "1f3c9a2".ljust(40, "0"))


def read_repository(options: Mapping[str, Any], allowed: Repositories) -> Repository | None:
    """Return the repository that options ask for; None where they ask for none.

    Raises
    ------
    OptionError
        For the first option that cannot be taken.
    """
    url = text_value(options, "repository", "").strip()
    texts = {key: text_value(options, key, "").strip() for key in ("branch", "commit")}
    flags = {key: flag_value(options, key) for key in ("submodules", "lfs")}
    if not url:
        for key, value in (texts | flags).items():
            if value:
                raise OptionError(key, f"The option {key!r} needs a repository: give its address too.")
        return None
    if not allowed.hosts:
        raise OptionError("repository", "Servers cannot start from a repository on this hub: leave it out.")
    read: dict[str, Callable[[], str]] = {"repository": lambda: repository_url(url, allowed.hosts)}
    if texts["branch"]:
        read["branch"] = lambda: branch_name(texts["branch"])
    if texts["commit"]:
        read["commit"] = lambda: commit_id(texts["commit"])
    found: dict[str, str] = {}
    for key, value_of in read.items():
        try:
            found[key] = value_of()
        except ValueError as error:
            raise OptionError(key, str(error)) from None
    return Repository(
        found["repository"], found.get("branch", ""), found.get("commit", ""), flags["submodules"], flags["lfs"]
    )
