"""What is this place? Answers about windows, the manifold, and the archive of what is shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_support import get, image_of, pixels_of, watched
from stream_support import noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.files import write_latent_map
from shiftvae_rt.stream import Producer, Service

Make = Callable[..., Any]


def looked_at(plane: dict[str, Any], values: np.ndarray) -> None:
    step = (plane["high"] - plane["low"]) / 254
    expected = np.clip(values, plane["low"], plane["high"])
    np.testing.assert_allclose(image_of(plane), expected, atol=0.51 * step + 1e-6)


@pytest.mark.parametrize("band", [64, 8], ids=["whole", "in bands"])
def test_a_place_is_its_pixels_the_drawing_their_difference_and_its_latents(
    shown: Service, watch: Make, produce: Make, mapper: LatentMapper, band: int
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((64, 48))
    for row in range(0, 64, band):
        producer.offer_rows(7, frame[row : row + band], row, frame.shape, pixel_size_nm=0.02)
    while [plane["fresh"] for plane in client.picture()["planes"][1:2]] != [1]:
        pass  # the first bands may show the frame before any map
    found = mapper.map(frame, pixel_size_nm=0.02)
    row, col = 5, 3
    centre = found.centre_x_px[col], found.centre_y_px[row]
    place = client.ask(place=[(centre[0] + 0.5) / 48, (centre[1] + 0.5) / 64])
    assert (place["kind"], place["frame"], place["x_px"], place["y_px"]) == ("place", 7, *centre)
    values = {value["name"]: (value["mean"], value["sd"]) for value in place["values"]}
    for index, name in enumerate(found.names):
        assert values[name] == pytest.approx((found.mean[index, row, col], found.std[index, row, col]), rel=1e-6)
    assert values["ux"][0] == pytest.approx(20 * found.fields["ux"][row, col], rel=1e-5)  # pm
    window = frame[4 * row : 4 * row + 16, 4 * col : 4 * col + 16].astype(float)
    window = (window - window.mean()) / window.std()
    drawn = mapper.draw(found.mean[None, :, row, col])[0, 0]
    for plane, image in zip(place["planes"], (window, drawn, window - drawn), strict=True):
        looked_at(plane, image)
    assert place["left_over"] == pytest.approx((window - drawn).std(), rel=1e-4)
    assert (place["left"], place["bottom"]) == (4 * col / 48, (4 * row + 16) / 64)


def test_what_the_decoder_draws_over_the_content_is_shown_as_a_manifold(
    shown: Service, watch: Make, produce: Make, mapper: LatentMapper
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    produce(shown, stream="a", mode="replay").offer(noisy((64, 48)))
    client.picture()
    manifold = client.ask(manifold=True)
    (plane,) = manifold["planes"]
    assert (plane["height"], plane["width"]) == (7 * 16, 7 * 16)
    across, down = manifold["across"], manifold["down"]
    assert (across["name"], down["name"]) == ("z1", "z2")
    drawn = mapper.draw(np.array([[0, 0, across["high"], down["low"]]], np.float32))[0, 0]
    looked_at({**plane, "pixels": pixels_of(plane)[:16, -16:].tobytes(), "height": 16, "width": 16}, drawn)


def test_a_question_without_an_answer_is_told_why(shown: Service, watch: Make, produce: Make) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    assert client.ask(place=[0.5, 0.5])["why"] == "the service no longer has this frame"
    producer: Producer = produce(shown, stream="a", mode="replay")
    producer.offer_rows(1, noisy((24, 48)), 0, (64, 48))
    client.picture()
    until(lambda: shown._publisher.published)
    assert client.ask(place=[0.5, 0.9])["why"] == "the scan has not come here yet"
    assert client.ask(place=[0.5, 0.1])["kind"] == "place"
    assert client.ask(place=[0.5, 0.1], seq=99)["why"] == "the service no longer has this frame"
    assert client.ask(place=[-9, 1e99])["kind"] == "unknown"  # clipped to the corner
    client.say(b'{"id": 1, "place": [[]]}')
    until(lambda: not watched(shown))  # it was no page of ours


def test_what_is_shown_is_written_as_map_writes_it(
    shown: Service, watch: Make, produce: Make, mapper: LatentMapper, tmp_path: Path
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a b&c", mode="replay")
    frame = noisy((64, 48))
    producer.offer(frame, pixel_size_nm=0.02)
    seq = client.picture()["seq"]
    answer = get(shown, f"/shown.npz?stream=a+b%26c&seq={seq}")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "application/octet-stream")
    write_latent_map(tmp_path / "x.npz", mapper.map(frame, pixel_size_nm=0.02), source="a b&c")
    with np.load(io.BytesIO(answer.body)) as found, np.load(tmp_path / "x.npz") as expected:
        assert sorted(found) == sorted(expected)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
    for other in (f"stream=other&seq={seq}", "stream=a+b%26c&seq=99", "stream=a+b%26c&seq=x", ""):
        assert get(shown, f"/shown.npz?{other}").status == 404
    assert get(shown, f"/shown.npz?stream=a+b%26c&seq={seq}", Origin="http://evil.example").status == 403
