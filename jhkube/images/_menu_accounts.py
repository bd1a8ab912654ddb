"""The accounts by which a menu asks registries: from a file, a Secret, or the operator's own function."""

from __future__ import annotations

import asyncio
import inspect

from ._menu_config import ImageMenuConfig
from .registry.credentials import RegistryCredentials
from .registry.pull_secret import pull_secret_content

__all__ = ["configured_accounts"]


async def configured_accounts(config: ImageMenuConfig) -> RegistryCredentials:
    """Return all accounts that are configured; of two for one place, the one that was read last.

    Raises
    ------
    OSError
        Where a file cannot be read, or a source does not answer in time.
    ValueError
        Where a source holds no docker configuration, or the operator's function fails. The message never has a
        part of the content.
    """
    found = []
    async with asyncio.timeout(config.refresh_timeout):
        if config.credentials_file:
            found.append(await asyncio.to_thread(RegistryCredentials.from_docker_config, config.credentials_file))
        if config.credentials_secret:
            namespace, _, name = config.credentials_secret.rpartition("/")
            found.append(RegistryCredentials.from_docker_config(await pull_secret_content(name, namespace)))
        if config.credentials_loader is not None:
            try:
                loaded = config.credentials_loader()
                content = await loaded if inspect.isawaitable(loaded) else loaded
            except Exception as error:
                # its text may hold what it was about to return
                raise ValueError(f"c.ImageMenu.credentials_loader raised {type(error).__name__}") from None
            found.append(RegistryCredentials.from_docker_config(content))
    accounts = {place: credential for each in found for place, credential in each.accounts.items()}
    return RegistryCredentials(accounts, tuple(fault for each in found for fault in each.faults))
