"""The accounts by which a menu asks registries: from a file, a Secret, or the operator's own function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any
from weakref import WeakKeyDictionary

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
            found.append(RegistryCredentials.from_docker_config(await _loaded(config)))
    accounts = {place: credential for each in found for place, credential in each.accounts.items()}
    return RegistryCredentials(accounts, tuple(fault for each in found for fault in each.faults))


_calls: WeakKeyDictionary[ImageMenuConfig, asyncio.Task[Any]] = WeakKeyDictionary()
"""Calls of loaders that have not come back yet."""


async def _loaded(config: ImageMenuConfig) -> Any:
    """Return what the operator's function returns; whoever asks while it runs waits for the same call.

    A function that never comes back would otherwise cost a thread at every refresh.
    """
    call = _calls.get(config)
    if call is None or call.done():
        call = asyncio.create_task(_call(config.credentials_loader, config.refresh_timeout))
        # So that an error that nobody waits for any more is not logged.
        call.add_done_callback(lambda done: done.cancelled() or done.exception())
        _calls[config] = call
    return await asyncio.shield(call)


async def _call(loader: Callable[[], Any], timeout: float) -> Any:
    """Call a coroutine function here, and any other function in a thread; `timeout` (seconds) is for a coroutine."""
    try:
        loaded = loader() if inspect.iscoroutinefunction(loader) else await _called_in_thread(loader)
        if not inspect.isawaitable(loaded):
            return loaded
        async with asyncio.timeout(timeout):
            return await loaded
    except _LoaderFailed:
        raise
    except Exception as error:
        raise _LoaderFailed(error) from None


class _LoaderFailed(ValueError):
    """The operator's function raised; the error's text is left out, as it may hold what was about to be returned."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"c.ImageMenu.credentials_loader raised {type(error).__name__}")


def _called_in_thread(function: Callable[[], Any]) -> asyncio.Future[Any]:
    """Call a function in a thread that does not keep the process from ending."""
    outcome: Future[Any] = Future()
    outcome.set_running_or_notify_cancel()

    def call() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            # Not the error itself: a StopIteration or a SystemExit does harm in an event loop.
            outcome.set_exception(_LoaderFailed(error))

    Thread(target=call, name="credentials_loader", daemon=True).start()
    return asyncio.wrap_future(outcome)
