"""What an operator configures of the image menu."""

from __future__ import annotations

from typing import Any

from traitlets import Bool, Callable, Dict, Integer, List, TraitError, Unicode, default, validate
from traitlets.config import LoggingConfigurable

from jhkube.operator_models import FiniteFloat, checked_trait

from .image_name import is_repository
from .offer_rules import DEFAULT_OFFERS, parse_offers
from .scheme_config import DEFAULT_NAMES, parse_aliases, schemes_from_config
from .schemes import DEFAULT_ALIASES

__all__ = ["ImageMenuConfig"]


class ImageMenuConfig(LoggingConfigurable):
    """The traits of `ImageMenu`; they are set as `c.ImageMenu.…`."""

    repositories = List(
        Unicode(),
        help="""
        The repositories whose tags are on the menu, each with its registry's host, in the order shown.

        A host needs a dot or a port: Docker Hub's images begin with `docker.io/`. Registries are contacted by https,
        except the loopback host and those in `insecure_registries`.

        Example::

            c.ImageMenu.repositories = ["registry.example.org/sciplat/lab", "quay.io/jupyter/scipy-notebook"]
        """,
    ).tag(config=True)

    offers = List(
        Dict(),
        help="""
        Which images are offered to whom: a list of rules. A person is offered everything from the rules for their hub
        groups. All fields of a rule are optional:

        * `groups`: the hub groups that get the images; everybody, if it is left out.
        * `repositories`: the repositories of the rule; all, if it is left out.
        * `kinds`: how much of each kind of tag, in the order shown: a number (how many of the newest
          tags of each repository), `"all"`, or a dict of `count`, `minimum_version` (`"27.0"`), `maximum_age_days`,
          `minimum_age_days`. Kinds are alias, release, candidate, weekly, daily, experimental, build, other.
        * `include`, `exclude`: shell patterns (`*`, `?`, `[…]`) that a tag matches as a whole, or
          `repository:tag` if there is a slash in the pattern. Excluded tags are not in "all tags" either.
        * `pinned`: tags that are always offered, before all others.
        * `default`: a list of tags; the first one that exists is selected by default.
        * `all_tags`: whether people can also search all other tags.
        * `custom_images`: regular expressions for images that may be typed; one must match the whole text.

        Example::

            c.ImageMenu.offers = [
                {"kinds": {"alias": "all", "release": 3, "weekly": 4}, "default": ["recommended"]},
                {"groups": ["developers"], "kinds": {"daily": 7}, "all_tags": True,
                 "custom_images": [r"registry\\.example\\.org/sciplat/[a-z-]+:.+"]},
            ]
        """,
    ).tag(config=True)

    aliases = List(
        Unicode(),
        default_value=list(DEFAULT_ALIASES),
        help="""
        Tags that move from image to image, in the order shown. The form shows what they point to, and the registry is
        asked about them at every refresh.

        Example::

            c.ImageMenu.aliases = ["recommended", "latest"]
        """,
    ).tag(config=True)

    schemes = List(
        Unicode(),
        default_value=list(DEFAULT_NAMES),
        help="""
        The schemes that read tags, in the order in which they are tried: `alias`, `lsst`, `calver`, `semver`, `git`,
        and names of `custom_schemes`. Aliases and custom schemes that are not in the list are tried first.

        Example::

            c.ImageMenu.schemes = ["semver"]
        """,
    ).tag(config=True)

    custom_schemes = List(
        Dict(),
        help="""
        The operator's own tag schemes, each with a `name`, a `kind`, a `pattern` (a regular expression for the whole
        tag, with groups such as year, month, day, week, version, extra) and, optionally, a `display`.

        Example::

            c.ImageMenu.custom_schemes = [{
                "name": "nightly", "kind": "daily", "display": "Nightly of {date}",
                "pattern": r"nightly-(?P<year>\\d{4})(?P<month>\\d\\d)(?P<day>\\d\\d)",
            }]
        """,
    ).tag(config=True)

    moving_tags = List(
        Unicode(),
        help="""
        Shell patterns of other tags that are pushed again with the same name. Like an alias, each of these tags costs
        one conditional request for each refresh.

        Example::

            c.ImageMenu.moving_tags = ["exp_*", "lab-4.4"]
        """,
    ).tag(config=True)

    refresh_interval = FiniteFloat(
        300.0,
        help="""
        Seconds between two refreshes. A new tag, or an alias that moved, is on the menu after at most this time.

        Example::

            c.ImageMenu.refresh_interval = 60
        """,
    ).tag(config=True)

    refresh_jitter = FiniteFloat(
        0.1,
        help="""
        The part of the interval by which it varies, so that hubs that started together do not ask at the same time.

        Example::

            c.ImageMenu.refresh_jitter = 0.2
        """,
    ).tag(config=True)

    recheck_after = FiniteFloat(
        86400.0,
        help="""
        Seconds after which the digest of an offered tag is requested again. Such tags should not move, but somebody
        may have pushed one again or deleted it.

        Example::

            c.ImageMenu.recheck_after = 3600
        """,
    ).tag(config=True)

    alias_search_limit = Integer(
        200,
        min=0,
        help="""
        The maximum number of digests that are requested, newest tags first, to find the tag that an alias points to.
        This happens once for each digest that an alias moves to.

        Example::

            c.ImageMenu.alias_search_limit = 1000
        """,
    ).tag(config=True)

    describe_images = Bool(
        True,
        help="""
        Whether to request what the form shows about offered images: age, size, description. It costs two or three
        requests for each image, once.

        Example::

            c.ImageMenu.describe_images = False
        """,
    ).tag(config=True)

    platform = Unicode(
        "linux/amd64",
        help="""
        The `os/architecture` of the image that the form describes, if a tag has images for several.

        Example::

            c.ImageMenu.platform = "linux/arm64"
        """,
    ).tag(config=True)

    concurrency = Integer(
        8,
        min=1,
        help="""
        The maximum number of simultaneous requests to a registry in the background. Requests for which people wait
        have the same limit, counted separately.

        Example::

            c.ImageMenu.concurrency = 2
        """,
    ).tag(config=True)

    request_timeout = FiniteFloat(
        10.0,
        help="""
        Seconds without a byte from a registry after which a request fails.

        Example::

            c.ImageMenu.request_timeout = 30
        """,
    ).tag(config=True)

    refresh_timeout = FiniteFloat(
        120.0,
        help="""
        Seconds after which a refresh of one repository ends. What was found until then is kept, and the other
        repositories do not wait for it. Describing its images, and reading the accounts for registries, have the same
        limit.

        Example::

            c.ImageMenu.refresh_timeout = 300
        """,
    ).tag(config=True)

    cache_file = Unicode(
        "jhkube-menu.json",
        help="""
        The file with the last good menu, so that a hub that starts while a registry is down has a menu. The path is
        relative to the hub's working directory; empty means no file. It has no secrets, and only the hub may read it.

        Example::

            c.ImageMenu.cache_file = "/srv/jupyterhub/menu.json"
        """,
    ).tag(config=True)

    shared_cache = Bool(
        False,
        help="""
        Whether several hubs have the same `cache_file`, on a volume that all of them mount. Then one of them asks the
        registries in each interval, and the others read what it wrote. If it ends or cannot reach a registry, another
        one takes over. If a repository answers no hub, each hub continues to ask. The hubs need the same
        `repositories`, `aliases` and tag schemes.

        Example::

            c.ImageMenu.shared_cache = True
        """,
    ).tag(config=True)

    ca_file = Unicode(
        help="""
        A PEM file with certificates that are trusted for registries, instead of the system's.

        Example::

            c.ImageMenu.ca_file = "/etc/jupyterhub/registry-ca.pem"
        """,
    ).tag(config=True)

    insecure_registries = List(
        Unicode(),
        help="""
        Hosts of registries that are contacted by http, without TLS.

        Example::

            c.ImageMenu.insecure_registries = ["registry.kube-system.svc:5000"]
        """,
    ).tag(config=True)

    token_servers = List(
        Unicode(),
        help="""
        Hosts, other than the registry itself, from which a registry may let the hub get a token. Those of Docker Hub
        and gitlab.com are built in.

        Example::

            c.ImageMenu.token_servers = ["auth.example.org"]
        """,
    ).tag(config=True)

    credentials_file = Unicode(
        help="""
        A docker configuration (`{"auths": …}`) with the accounts for the registries. It is read again at every
        refresh, so a mounted Secret can change.

        Example::

            c.ImageMenu.credentials_file = "/etc/jupyterhub/pull-secret/.dockerconfigjson"
        """,
    ).tag(config=True)

    credentials_secret = Unicode(
        help="""
        The name of a Secret of type kubernetes.io/dockerconfigjson with the accounts, usually the one that pulls the
        images: `namespace/name`, or only the name if it is in the hub's namespace.

        Example::

            c.ImageMenu.credentials_secret = "image-pull-secret"
        """,
    ).tag(config=True)

    credentials_loader = Callable(
        None,
        allow_none=True,
        help="""
        A function or coroutine function without parameters that returns a docker configuration as a dict, for
        accounts from another source. It is called at every refresh. A function is called in a thread, so it may
        block. After `refresh_timeout` the previous accounts are used.

        Example::

            c.ImageMenu.credentials_loader = lambda: json.loads(fetch_from_vault("registry"))
        """,
    ).tag(config=True)

    @default("offers")
    def _default_offers(self) -> list[dict[str, Any]]:
        return DEFAULT_OFFERS

    @validate("offers")
    def _check_offers(self, proposal: dict[str, Any]) -> Any:
        return checked_trait("c.ImageMenu", proposal, parse_offers)

    @validate("aliases")
    def _check_aliases(self, proposal: dict[str, Any]) -> Any:
        return checked_trait("c.ImageMenu", proposal, parse_aliases)

    @validate("custom_schemes")
    def _check_custom_schemes(self, proposal: dict[str, Any]) -> Any:
        return checked_trait("c.ImageMenu", proposal, lambda custom: schemes_from_config((), (), custom))

    @validate("schemes")
    def _check_schemes(self, proposal: dict[str, Any]) -> Any:
        # All settings are read before any is checked, so the operator's own schemes are known here.
        return checked_trait(
            "c.ImageMenu", proposal, lambda names: schemes_from_config(names, (), self.custom_schemes)
        )

    @validate("repositories")
    def _check_repositories(self, proposal: dict[str, Any]) -> Any:
        for name in proposal["value"]:
            if not is_repository(name):
                raise TraitError(
                    f"ImageMenu.repositories: {name!r} is not a repository with its registry's host, such as "
                    "'quay.io/jupyter/scipy-notebook'"
                )
        return proposal["value"]
