"""A registry with pages of 1,000 tags, in a process of its own, before Debian's, which has but one page."""

from __future__ import annotations

import asyncio
import sys

from tests.registry.servers import Front

PAGE = 1_000


async def main(target: str) -> None:
    """Say the host and port, and serve until the process is ended."""
    front = await Front(target, page_size=PAGE).start()
    print(front.host, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
