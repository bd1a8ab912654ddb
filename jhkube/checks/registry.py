"""Whether the registries answer with these credentials, and have tags that the menu shows."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jhkube.checks.result import Result, Subject
from jhkube.images.menu import ImageMenu
from jhkube.images.offers import offered_to_anybody
from jhkube.images.registry.errors import RegistryDenied, RegistryError, RegistryNotFound, RegistryUnreachable

__all__ = ["REGISTRY", "registry_results"]

REGISTRY = Subject("registry")

TIMEOUT = 10.0
"""Seconds without a byte after which a registry counts as silent here, where `request_timeout` is longer."""

HTTP_SPOKEN = ("WRONG_VERSION_NUMBER", "wrong version number", "record layer failure", "RECORD_LAYER_FAILURE")
"""What OpenSSL says where the other side answers without TLS."""


async def registry_results(menu: ImageMenu) -> AsyncIterator[Result]:
    """Yield what came of asking each repository, as the hub does."""
    if not menu.repositories:
        yield REGISTRY.skipped("c.ImageMenu.repositories is empty: people get c.KubeSpawner.image")
        return
    try:
        accounts = await menu.configured_accounts()
        for fault in accounts.faults:
            yield REGISTRY.failed(fault, "Correct the entry; the other accounts are used.")
    except (OSError, ValueError) as error:
        yield REGISTRY.failed(
            f"the accounts for the registries cannot be read: {error}",
            "Look at c.ImageMenu.credentials_file and credentials_secret: a docker configuration, "
            'as `kubectl create secret docker-registry` makes it ({"auths": …}).',
        )
    menu.request_timeout = min(menu.request_timeout, TIMEOUT)
    menu.describe_images = False
    await menu.refresh()
    offered = offered_to_anybody(menu.current, menu.rules)
    for part in menu.current.parts:
        failure = menu.failures.get(part.repository)
        if failure is not None:
            yield REGISTRY.failed(f"{part.repository}: {failure}", _remedy(failure, menu, part.repository))
            continue
        shown = sum(entry.repository == part.repository for entry in offered.values())
        if shown:
            images = "1 image is" if shown == 1 else f"{shown} images are"
            yield REGISTRY.passed(f"{part.repository} answers; {images} offered, of {len(part.by_tag)} tags")
        else:
            yield REGISTRY.failed(
                f"{part.repository} has {len(part.by_tag) or 'no'} tags, and none that the menu shows",
                "Push an image, or let c.ImageMenu.offers show these tags: its kinds, include and exclude decide; "
                "`jhkube menu --all` lists what can be had.",
            )


def _remedy(error: RegistryError, menu: ImageMenu, repository: str) -> str:
    host = repository.partition("/")[0]
    text = str(error)
    match error:
        case RegistryDenied():
            return (
                f"Look at the account for {host} in c.ImageMenu.credentials_file or credentials_secret: "
                f"`docker login {host}` and `docker pull {repository}:TAG` must work with it."
            )
        case RegistryNotFound():
            return "Correct the name in c.ImageMenu.repositories (JHKUBE_REPOSITORIES); it has no tag at its end."
        case RegistryUnreachable() if any(words in text for words in HTTP_SPOKEN):
            return (
                f"The registry speaks http without TLS: add {host!r} to c.ImageMenu.insecure_registries "
                "(JHKUBE_INSECURE_REGISTRIES), or give it a certificate."
            )
        case RegistryUnreachable() if "cannot be trusted" in text:
            return "Name the registry's own authority in c.ImageMenu.ca_file, or give it a certificate that is known."
    if host in menu.insecure_registries:
        return f"Where the registry speaks https, take {host!r} out of c.ImageMenu.insecure_registries."
    return f"Look whether {host} runs, and whether this machine reaches it: name, port, firewall, proxy."
