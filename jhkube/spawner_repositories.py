"""What an operator configures about repositories: the traits of JHKubeSpawner, parsed into values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from traitlets import Integer, List, Unicode, validate
from traitlets.config import Configurable

from jhkube.operator_models import checked_trait
from jhkube.options_form.repositories import Repositories, parse_image_template, parse_repository_hosts
from jhkube.pod.repository import CLONE_SECONDS, CloneSettings

__all__ = ["RepositoryConfig"]

_PARSERS: Final[dict[str, Callable[[Any], object]]] = {
    "repository_hosts": parse_repository_hosts,
    "repository_image": parse_image_template,
}
"""What reads a trait, and raises ValueError where it cannot be used."""


class RepositoryConfig(Configurable):
    """The traits of `JHKubeSpawner` about the repositories that servers start from."""

    repository_hosts: Any = List(
        help="""
        The git hosts that servers can start from: exact host names with an optional port. If it is set, the form,
        links and REST accept `repository`, with `branch`, `commit`, `submodules` and `lfs`, and an init container
        clones it into the home. Only https is used, unless an entry is a URL with `http://`, which is for
        development. The person's token goes only to the hosts in `git_hosts`. The trait needs a menu of images
        (`c.ImageMenu.repositories`).

        For example::

            c.JHKubeSpawner.repository_hosts = ["github.com", "gitlab.example.org"]
        """,
    ).tag(config=True)

    repository_image = Unicode(
        help="""
        A template for the image of a repository, with `{path}`, `{name}`, `{branch}` and `{commit}`. A number after a
        colon is the number of characters. The image is used if a person chooses a repository and leaves the image
        out, if the registry has it, and if the person may run it: it has to be on their menu, or match one of their
        `custom_images`. Otherwise the default image is used, and the person reads why.

        For example::

            c.JHKubeSpawner.repository_image = "registry.example.org/{path}:{commit:7}"
        """,
    ).tag(config=True)

    repository_git_image = Unicode(
        help="""
        The image that clones repositories. It needs git, a shell, and git-lfs if people use that. By default it is
        the image that the person chose.

        For example::

            c.JHKubeSpawner.repository_git_image = "docker.io/alpine/git:2.49.1"
        """,
    ).tag(config=True)

    repository_timeout = Integer(
        CLONE_SECONDS,
        min=1,
        help="""
        How long cloning a repository may take, in seconds. `start_timeout` ends the whole start, so it has to be
        longer.

        For example, for large repositories::

            c.JHKubeSpawner.repository_timeout = 900
            c.JHKubeSpawner.start_timeout = 1200
        """,
    ).tag(config=True)

    @validate(*_PARSERS)
    def _usable_repositories(self, proposal: Any) -> Any:
        return checked_trait("c.JHKubeSpawner", proposal, _PARSERS[proposal["trait"].name])

    def parsed_repositories(self) -> Repositories:
        """Return which repositories a server may start from."""
        return Repositories(
            parse_repository_hosts(self.repository_hosts), parse_image_template(self.repository_image)
        )

    def parsed_clones(self) -> CloneSettings:
        """Return how repositories are cloned."""
        return CloneSettings(image=self.repository_git_image, seconds=self.repository_timeout)
