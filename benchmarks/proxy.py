"""A slow and unreliable link: a TCP proxy that delays both directions and can cut connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import TracebackType

CHUNK = 65536
_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Forwards a loopback port to `host:port`, `round_trip` seconds away.

    Opening a connection costs what it costs on such a link, too: the far side hears of it one and
    a half round trips after the near side asked (SYN, SYN and ACK, ACK), and nothing that the near
    side says arrives before that. `cuts` are moments, in seconds after the first connection, at
    which every open connection is broken off.
    """

    def __init__(
        self, host: str, port: int, round_trip: float = 0.0, cuts: Sequence[float] = ()
    ) -> None:
        """Describe the link; `with` opens it."""
        self._far = (host, port)
        self._round_trip = round_trip
        self._cuts = tuple(cuts)
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0
        self.connections = 0
        self.broken = 0

    def __enter__(self) -> Proxy:
        """Listen on a free loopback port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the port and every connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break off every open connection now."""
        self._loop.call_soon_threadsafe(self._cut)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        self.broken += bool(self._open)
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.connections == 1:
            for moment in self._cuts:
                self._loop.call_later(moment, self._cut)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._connect((reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # the link is gone: both ends learn it by their connection's end
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, near: _Pair) -> None:
        asked = self._loop.time()
        await asyncio.sleep(1.5 * self._round_trip)
        far = await asyncio.open_connection(*self._far)
        self._open.add(far[1])
        try:
            heard = asked + self._round_trip  # when the near side knows that it is connected
            await asyncio.gather(
                self._carry(near[0], far[1], heard), self._carry(far[0], near[1], asked)
            )
        finally:
            far[1].transport.abort()
            self._open.discard(far[1])

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, earliest: float
    ) -> None:
        """Hand on what arrives, each piece half a round trip after it was sent."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sender = asyncio.ensure_future(self._send(waiting, writer))
        try:
            while True:
                piece = await reader.read(CHUNK)
                sent = max(self._loop.time(), earliest)
                waiting.put_nowait((sent + self._round_trip / 2, piece))
                if not piece:
                    break
            await sender
        finally:
            sender.cancel()

    async def _send(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, piece = await waiting.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            if not piece:
                writer.write_eof()
                return
            writer.write(piece)
            try:
                await writer.drain()
            except OSError:
                return  # the far end is gone; the reader will see it
