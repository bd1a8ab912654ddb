"""What answers at the address of every pod: one small server, in a process of its own.

    python -m benchmarks.scale.servers

It prints its port, and answers on every address of this machine as a server of jupyterhub's does.
"""

from __future__ import annotations

import asyncio

from tests.ports import free_port

ANSWER = b"HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6.1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def main() -> None:
    """Answer until the process is ended."""
    port = free_port()
    # The pods have addresses of the loopback, which no other machine reaches.
    async with await asyncio.start_server(answer, "0.0.0.0", port, backlog=1024) as server:  # noqa: S104
        print(port, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
