"""What the tests of the live page share: requests, and the planes of a picture."""

from __future__ import annotations

import http.client
from typing import Any

import numpy as np
from stream_support import LIMIT_S

from shiftvae_rt.stream import Service


def get(service: Service, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(service.http, timeout=LIMIT_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def watched(service: Service) -> bool:
    return service._showing.viewers.scenes.watched


def plane_of(picture: dict[str, Any], title: str) -> dict[str, Any]:
    return next(plane for plane in picture["planes"] if plane["title"] == title)


def pixels_of(plane: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(plane["pixels"], np.uint8).reshape(plane["height"], plane["width"])


def image_of(plane: dict[str, Any]) -> np.ndarray:
    """Values of a plane, to half a step of its bytes."""
    return plane["low"] + (pixels_of(plane).astype(float) - 1) / 254 * (plane["high"] - plane["low"])
