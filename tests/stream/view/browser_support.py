"""A headless Chromium, driven through its DevTools protocol on a pair of pipes; and a small WebSocket client."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
LIMIT_S = 30.0


def find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one page; closed by `close`."""

    def __init__(self, program: str, profile: Path, size: tuple[int, int] = (1280, 900)) -> None:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        options += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "--enable-precise-memory-info"]
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        def arrange() -> None:  # DevTools reads 3 and writes 4; a copy of 3 onto itself would be closed by exec
            a, b = (fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (theirs_in, theirs_out))
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, *options, f"--window-size={size[0]},{size[1]}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=arrange,
            close_fds=False,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._number, self.session = b"", 0, None
        self._target: str | None = None
        self.events: list[dict[str, Any]] = []
        self.new_page()

    def new_page(self) -> None:
        """Close the page and open an empty one."""
        self.session, old = None, self._target
        self._target = self.call("Target.createTarget", url="about:blank")["targetId"]
        if old is not None:
            self.call("Target.closeTarget", targetId=old)
        self.session = self.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Result of a command; events that come meanwhile are kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + LIMIT_S
        while True:
            answer = self._hear(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _hear(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._in], [], [], max(0, deadline - time.monotonic()))[0], "the browser is silent"
            more = os.read(self._in, 1 << 16)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """Value of an expression of the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression: str, limit_s: float = LIMIT_S) -> Any:
        """Wait until an expression of the page is true."""
        deadline = time.monotonic() + limit_s
        while not (found := self.value(expression)):
            assert time.monotonic() < deadline, f"it did not become true: {expression}\n{self.text('body')}"
            time.sleep(0.02)
        return found

    def text(self, selector: str) -> str:
        return self.value(f"document.querySelector({json.dumps(selector)}).innerText")

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            code = codes.get(key, ord(key[0].upper()))
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **extra)

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the mouse to a place in the frame's panel, shares of its width and height."""
        rect = "document.querySelector('.frame .box').getBoundingClientRect()"
        left, top, width, height = self.value(f"(r => [r.x, r.y, r.width, r.height])({rect})")
        at = {"x": left + x * width, "y": top + y * height}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **at)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def picture(self, path: Path, *, size: tuple[int, int], mobile: bool = False) -> None:
        """Write a PNG or JPEG of the page as it is on a screen of `size` px."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=mobile
        )
        time.sleep(0.3)
        options = {"format": "png"} if path.suffix == ".png" else {"format": "jpeg", "quality": 75}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))

    def complaints(self) -> list[str]:
        """What the browser has said of the page: errors of the console, exceptions, breaches of the policy."""
        self.value("1")
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Addresses that the page has asked for."""
        self.value("1")
        named = ("Network.requestWillBeSent", "Network.webSocketCreated")
        asked = [event["params"] for event in self.events if event.get("method") in named]
        return [each["url"] if "url" in each else each["request"]["url"] for each in asked]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(LIMIT_S)
        os.close(self._in)
        os.close(self._out)


class Socket:
    """A WebSocket client that does what a test says."""

    def __init__(self, address: str, receive_bytes: int | None = None, **headers: str) -> None:
        host, _, port = address.partition(":")
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect((host, int(port)))
        fields = {
            "Host": address,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "GET /live HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        self.socket.sendall(head.encode() + b"\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.socket.recv(1)  # not a byte of the first frame
            if not more:
                break
            answer += more
        self.status = int(answer.split()[1])
        self.answer = answer.decode()

    def say(self, payload: bytes, kind: int = 1, *, masked: bool = True, final: bool = True) -> None:
        head = bytes([(0x80 if final else 0) | kind])
        mask = b"\x11\x22\x33\x44" if masked else b""
        flag = 0x80 if masked else 0
        head += (
            bytes([flag | len(payload)])
            if len(payload) < 126
            else bytes([flag | 126]) + struct.pack(">H", len(payload))
        )
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if masked else payload
        self.socket.sendall(head + mask + body)

    def hear(self) -> tuple[int, bytes]:
        """Kind and payload of the next frame; kind 0 when the connection has ended."""
        try:
            head = self._exactly(2)
            length = head[1] & 0x7F
            if length > 125:
                length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
            return head[0] & 0x0F, self._exactly(length)
        except (EOFError, ConnectionError):
            return 0, b""

    def hear_kind(self, kind: int) -> bytes:
        """Payload of the next frame of a kind."""
        while True:
            found, payload = self.hear()
            if found == kind:
                return payload
            assert found, "the connection has ended"

    def picture(self) -> dict[str, Any]:
        """Header of the next picture, each of whose planes has its bytes as `pixels`."""
        self.say(b"r")
        return self.message()

    def ask(self, **question: Any) -> dict[str, Any]:
        """Answer to a question, with its planes as in `picture`."""
        self.say(json.dumps({"id": 1, **question}).encode())
        return self.message()

    def message(self) -> dict[str, Any]:
        """Header of the next picture or answer, with its planes."""
        payload = self.hear_kind(2)
        length = int.from_bytes(payload[:4], "little")
        header, at = json.loads(payload[4 : 4 + length]), 4 + length
        for plane in header["planes"]:
            size = plane["height"] * plane["width"]
            plane["pixels"] = payload[at : at + size]
            at += size
        assert at == len(payload)
        return header

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            if not more:
                raise EOFError
            found += more
        return found

    def close(self) -> None:
        self.socket.close()
