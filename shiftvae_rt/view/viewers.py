"""The browsers that watch, on a thread of their own: each gets the newest picture when it is ready for one.

A page says ``r`` when it has the last picture, and gets nothing before. So at most one picture is on its way to it, a
hidden or stopped page costs nothing, and no page can make the service or another page wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from .archive import archive_of
from .pace import Pace
from .picture_message import Buffer, PictureWriter
from .places import Model, manifold_message, place_message, unknown_message
from .scenes import Scene, Scenes
from .websocket import BINARY, CLOSE, PING, PONG, TEXT, WebSocketError, pack_frame, read_frame

__all__ = ["Viewers"]

#: Most browsers at once.
MOST_VIEWERS = 16
#: Time between two states of the service, s.
STATUS_S = 0.25
#: Time between two pings, and silence after which a browser is gone, s. It answers pings by itself, hidden or not.
PING_S, SILENCE_S = 4.0, 15.0
#: A page that made no choice stays with a stream for this long after its last picture, s.
FOLLOW_S = 3.0


class _Viewer:
    """One browser."""

    def __init__(self, writer: asyncio.StreamWriter, now_s: float) -> None:
        self._writer = writer
        self.heard_s = now_s
        self.ready = False
        self.choice: str | None = None
        self.shown = 0  # number of the scene that it has
        self.scenes: deque[Scene] = deque(maxlen=2)  # those that it was sent last: the newest may not be painted yet

    def shows(self, scene: Scene) -> None:
        """Note what it is sent."""
        self.shown = scene.number  # before it is read: a later change comes again
        if not self.scenes or self.scenes[-1] is not scene:
            self.scenes.append(scene)

    def send(self, framed: bytes) -> None:
        """Send a frame; what the system does not take at once waits in this process."""
        if not self._writer.is_closing():
            self._writer.write(framed)

    @property
    def idle(self) -> bool:
        """True if nothing waits to be sent."""
        return self._writer.transport.get_write_buffer_size() == 0

    def cut(self) -> None:
        """End the connection, whatever waits."""
        self._writer.transport.abort()


class Viewers:
    """Shows scenes to browsers. The thread is started for the first of them; without any, it sleeps.

    Parameters
    ----------
    status
        State of the service as JSON; called on the thread of the viewers.
    model_of
        The model of a hash, None if the service no longer has it; called on the same thread.

    Attributes
    ----------
    scenes
        What there is to see; written by the service's thread.
    """

    def __init__(self, status: Callable[[], bytes], model_of: Callable[[str], Model | None]) -> None:
        self.scenes = Scenes(self._changed)
        self._status, self._model_of = status, model_of
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._viewers: set[_Viewer] = set()
        self._writer = PictureWriter()
        self._told = False  # that something changed, and not looked yet
        self._pace = Pace()
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        self._followed: str | None = None

    @property
    def full(self) -> bool:
        """True if no more browsers are let in."""
        return len(self._viewers) >= MOST_VIEWERS

    def admit(self, connection: socket.socket) -> None:
        """Take over a connection that has become a WebSocket; from any thread."""
        connection.setblocking(False)
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="viewers", daemon=True)
                self._thread.start()
        asyncio.run_coroutine_threadsafe(self._watch(connection), self._loop)

    def close(self) -> None:
        """Send the browsers away and end the thread."""
        self.scenes.watched = False
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._dismiss(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _watch(self, connection: socket.socket) -> None:
        """Hear one browser until it is gone."""
        reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 13)
        viewer = _Viewer(writer, self._now_s)
        self._viewers.add(viewer)
        self.scenes.watched = True
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        self._tell_status([viewer])
        try:
            while True:
                kind, payload = await read_frame(reader)
                viewer.heard_s = self._now_s
                if kind == CLOSE:
                    break
                if kind == PING and viewer.idle:
                    viewer.send(pack_frame(PONG, payload))
                elif kind == TEXT:
                    self._hear(viewer, payload)
        except (WebSocketError, asyncio.IncompleteReadError, OSError):
            pass  # it is gone, or was never a page of ours
        finally:
            self._viewers.discard(viewer)
            if not self._viewers:
                self.scenes.watched = False
            viewer.cut()

    def archive(self, stream: str, seq: int) -> bytes | None:
        """Archive of a frame that a browser has on its screen; None if it is gone. From any thread."""
        shown = [scene for viewer in list(self._viewers) for scene in list(viewer.scenes)]
        scenes = (scene for scene in shown if (scene.facts.stream, scene.facts.seq) == (stream, seq))
        scene = next(scenes, None)
        return None if scene is None else archive_of(scene)

    def _hear(self, viewer: _Viewer, payload: bytes) -> None:
        if payload == b"r":
            viewer.ready = True
            self._show()
            return
        try:
            said = json.loads(payload)
            if "stream" in said:
                choice = said["stream"]
                viewer.choice, viewer.shown = (choice if isinstance(choice, str) else None), 0
                self._show()
            elif viewer.idle:
                viewer.send(pack_frame(BINARY, *self._answer(viewer, said)))
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            raise WebSocketError("expected r, the choice of a stream, or a question") from None

    def _answer(self, viewer: _Viewer, said: dict[str, Any]) -> list[Buffer]:
        """Answer a question about the frame that a browser shows: a place in it, or the manifold of its model."""
        number, seq = int(said["id"]), said.get("seq")
        scene = next((each for each in reversed(viewer.scenes) if seq in (None, each.facts.seq)), None)
        if scene is None:
            return unknown_message(number, "the service no longer has this frame")
        maps = scene.maps
        model = None if maps is None else self._model_of(maps.words.model_sha256)
        if "place" not in said:
            return manifold_message(scene, number, model)
        x, y = (min(max(float(share), 0.0), 1.0) for share in said["place"])
        return place_message(scene, (x, y), number, model)

    @property
    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _changed(self) -> None:
        """Note a change; called by the service's thread. The next ones are free until this one has been looked at."""
        if not self._told and self._loop is not None:
            self._told = True
            self._loop.call_soon_threadsafe(self._show)

    def _show(self) -> None:
        """Send every browser that is ready what it has not seen, unless it is too early."""
        if self._timer is not None or not any(viewer.ready for viewer in self._viewers):
            return  # what is told stays told: while nobody is ready, changes cost the service nothing
        wait_s = self._pace.wait_s(self._now_s)
        if wait_s > 0:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._show_now)
        else:
            self._show_now()

    def _show_now(self) -> None:
        self._timer, self._told = None, False
        scenes = self.scenes.all()
        written: dict[Scene, bytes] = {}
        for viewer in self._viewers:
            scene = scenes.get(viewer.choice if viewer.choice is not None else self._follow() or "")
            if scene is None or scene.number == viewer.shown or not (viewer.ready and viewer.idle):
                continue
            scene = self._whole_first(scene, viewer)
            viewer.shows(scene)
            if scene not in written:
                written[scene] = pack_frame(BINARY, *self._writer.write(scene))
            viewer.ready = False
            viewer.send(written[scene])
        if written:
            self._pace.sent(self._now_s)

    def _whole_first(self, scene: Scene, viewer: _Viewer) -> Scene:
        """Give the complete frame before `scene` if a browser has seen it growing only, so that it can look back."""
        before = self.scenes.whole(scene.facts.stream)
        if before is None or scene.facts.complete or not viewer.scenes or viewer.shown >= before.number:
            return scene
        return before

    def _follow(self) -> str | None:
        """Stream of the pages that made no choice: the one they have, until it falls silent and another does not."""
        scenes = self.scenes.all()
        newest = max(scenes, key=lambda name: scenes[name].changed_s, default=None)
        followed = None if self._followed is None else scenes.get(self._followed)
        if newest is None or followed is None or scenes[newest].changed_s - followed.changed_s > FOLLOW_S:
            self._followed = newest
        return self._followed

    async def _beat(self) -> None:
        """Tell the state of the service as long as somebody watches, and send away who is silent."""
        pinged_s = self._now_s
        while self._viewers:
            await asyncio.sleep(STATUS_S)
            now_s = self._now_s
            for viewer in [viewer for viewer in self._viewers if now_s - viewer.heard_s > SILENCE_S]:
                viewer.cut()
            if now_s - pinged_s > PING_S:
                pinged_s = now_s
                for viewer in self._viewers:
                    if viewer.idle:
                        viewer.send(pack_frame(PING, b""))
                self._writer.keep(self.scenes.all())
            self._tell_status(list(self._viewers))
        self._beating = None

    def _tell_status(self, viewers: list[_Viewer]) -> None:
        framed = pack_frame(TEXT, self._status())
        for viewer in viewers:
            if viewer.idle:  # a browser that reads slowly gets fewer
                viewer.send(framed)

    async def _dismiss(self) -> None:
        for viewer in list(self._viewers):
            viewer.send(pack_frame(CLOSE, b"\x03\xe9"))  # 1001: going away
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        await asyncio.sleep(0)
        for task in others:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*others, return_exceptions=True)
