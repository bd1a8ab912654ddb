"""Requests to the API server whose answers are not made into models."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from kubernetes_asyncio.client.exceptions import ApiException

__all__ = ["plain_answer", "plain_items"]

PAGE = 200
"""Objects that are asked for at once."""


async def plain_answer(call: Callable[..., Awaitable[aiohttp.ClientResponse]], *args: Any, **kwargs: Any) -> bytes:
    """Make a request by a method of `CoreV1Api`; returns the answer's body.

    A model of a pod takes 10 ms to make, an eighth of what a whole spawn costs the hub.

    Raises
    ------
    ApiException
        Where the API server refuses, with its body as the client itself has it.
    """
    response = await call(*args, _preload_content=False, **kwargs)
    async with response:
        body = await response.read()
    if response.status >= 300:
        error: Any = ApiException(status=response.status, reason=response.reason)
        error.body = body.decode(errors="replace")
        raise error
    return body


async def plain_items(
    call: Callable[..., Awaitable[aiohttp.ClientResponse]], *args: Any, **kwargs: Any
) -> list[dict[str, Any]]:
    """Return all objects of a list as the API's JSON, page by page.

    Raises
    ------
    ApiException
        Where the API server refuses, or something before it answers in its place with a page of its own.
    """
    items: list[dict[str, Any]] = []
    following: dict[str, str] = {}
    while True:
        answer = await plain_answer(call, *args, **kwargs, **following, limit=PAGE)
        try:
            page = json.loads(answer)
            items += page["items"]
            token = page["metadata"].get("continue")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ApiException(status=200, reason="what answers is not a Kubernetes API server") from None
        if not token:
            return items
        following = {"_continue": token}
