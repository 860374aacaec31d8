"""What the packages offer, and what importing them costs."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import shiftvae_rt
import shiftvae_training

ROOT = Path(__file__).parents[2]


def modules():
    for package in (shiftvae_rt, shiftvae_training):
        yield package.__name__
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield module.name


PYTHON_MODULES = [name for name in modules() if not name.endswith("._core")]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_runtime_exports_exactly_these_names():
    assert shiftvae_rt.__all__ == [
        "ArchiveSummary",
        "DataFileError",
        "Fields",
        "Frame",
        "FrameError",
        "JournalError",
        "KeyFileError",
        "LatentMap",
        "LatentMapper",
        "LatticeError",
        "ModelFile",
        "ModelFileError",
        "PixelSizeError",
        "ProviderError",
        "ScanMapper",
        "ServiceError",
        "ShiftVaeError",
        "TrainingError",
        "WindowError",
        "WindowGrid",
        "WireError",
        "__version__",
        "assemble_latent_map",
        "extract_windows",
        "extract_windows_at",
        "get_include",
        "get_library",
        "map_archive",
        "place_at_motifs",
        "read_frames",
        "window_statistics",
        "write_latent_map",
    ]


def test_every_exported_name_can_be_imported():
    for name in shiftvae_rt.__all__:
        assert getattr(shiftvae_rt, name) is not None
    assert dir(shiftvae_rt) == shiftvae_rt.__all__


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Mapper'"):
        shiftvae_rt.Mapper  # noqa: B018


@pytest.mark.parametrize("name", PYTHON_MODULES)
def test_a_module_has_the_names_that_it_exports(name):
    module = import_module(name)
    if hasattr(module, "__path__") and not hasattr(module, "__all__"):  # a wing that exports nothing of its own
        assert [
            public for public in vars(module) if not public.startswith("_") and f"{name}.{public}" not in PYTHON_MODULES
        ] == []
        return
    assert [exported for exported in module.__all__ if not hasattr(module, exported)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("numpy", "torch", "onnxruntime", "zmq", "matplotlib", "shiftvae_training")
    loaded = run_python(f"import sys, shiftvae_rt; print([name for name in {heavy} if name in sys.modules])")
    assert loaded == "[]"


def test_no_module_of_the_runtime_imports_torch_or_training():
    names = [name for name in PYTHON_MODULES if name.startswith("shiftvae_rt")]
    code = f"""
import sys
from importlib import import_module
for name in {names}:
    import_module(name)
print(sorted({{'torch', 'shiftvae_training'}} & set(sys.modules)))
"""
    assert run_python(code) == "[]"


def test_without_onnxruntime_the_message_names_the_extra():
    code = """
import sys
sys.modules["onnxruntime"] = None
import shiftvae_rt
try:
    shiftvae_rt.LatentMapper
    from shiftvae_rt.encode.onnx_graph import OnnxGraph
    OnnxGraph(b"")
except Exception as error:
    print(error)
"""
    assert "shiftvae-rt[cpu]" in run_python(code)


def test_the_import_contracts_hold():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_packages_say_that_they_are_typed():
    for package in (shiftvae_rt, shiftvae_training):
        assert any((Path(folder) / "py.typed").exists() for folder in package.__path__), package.__name__


def test_the_version_is_that_of_the_project_file():
    assert f'version = "{shiftvae_rt.__version__}"' in (ROOT / "pyproject.toml").read_text()
