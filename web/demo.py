"""The page with a model and a scan in it: web/dist/demo.html, and both as files, demo.svae and demo.tif.

    python web/demo.py

The scan is simulated, and the model is trained on it: about a minute on one core. The model file is cut to what the
page reads: one stride, no report, no state of the training.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import tifffile
from bundle import LIBRARY, OUT, page, write

from shiftvae_rt import Frame
from shiftvae_rt.model.archive import unpack_members
from shiftvae_rt.model.model_file import Golden, ModelFile, write_model_file
from shiftvae_rt.simulator import Microscope
from shiftvae_training import fit

SIDE, STRIDE, STEPS = 384, 4, 400
MEMBERS = (f"encoder_s{STRIDE}.onnx", f"dense_s{STRIDE}.onnx", "layers.onnx", "decoder.onnx")


def small_model(path: Path, frame: Frame) -> None:
    """Train on a frame, and write the members that the page needs."""
    whole = path.with_name("whole.svae")
    fit(frame, steps=STEPS, progress=False).save(whole)
    model, members = ModelFile.read(whole), unpack_members(whole.read_bytes(), whole.name)
    golden = Golden.from_npz(members["golden.npz"], (STRIDE,))
    manifest = msgspec.structs.replace(model.manifest, strides=(STRIDE,))
    write_model_file(path, manifest, {**{name: members[name] for name in MEMBERS}, "golden.npz": golden.to_npz()})
    for each in (whole, whole.with_suffix(".html")):
        each.unlink(missing_ok=True)
    ModelFile.read(path)


def main() -> None:
    folder = OUT.parent
    folder.mkdir(exist_ok=True)
    microscope = Microscope(shape=(SIDE, SIDE), seed=7)
    frame = microscope.frame(0)
    small_model(folder / "demo.svae", Frame(frame.pixels, frame.pixel_size_nm, "simulated"))
    per_nm = 1 / frame.pixel_size_nm
    tifffile.imwrite(
        folder / "demo.tif", frame.pixels, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"}
    )
    files = {
        f"demo-{kind}": (folder / f"demo.{end}").read_bytes() for kind, end in (("model", "svae"), ("scan", "tif"))
    }
    write(folder / "demo.html", page(LIBRARY.read_bytes(), files))


if __name__ == "__main__":
    main()
