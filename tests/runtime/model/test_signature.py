"""Signed model files: the owner of the key exported this model, and nobody changed it since."""

from __future__ import annotations

import shutil
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from shiftvae_rt import ModelFile
from shiftvae_rt.cli import main
from shiftvae_rt.errors import KeyFileError, ModelFileError
from shiftvae_rt.model.model_file import sign_model_file
from shiftvae_rt.model.signature import make_signing_key

needs_cryptography = pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('cryptography')",
    reason="no cryptography: pip install 'shiftvae-rt[signed]'",
)


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny_model, tmp_path / "m.svae"))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_signing_key(tmp_path / "lab.key")
    return tmp_path / "lab.key"


def repacked(path: Path, **changes: bytes) -> None:
    """Write a model file again with other members."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, **changes}.items():
            archive.writestr(zipfile.ZipInfo(name), content)


@needs_cryptography
def test_a_signed_model_is_the_same_model_and_is_taken_with_its_public_key(model: Path, key: Path) -> None:
    before = ModelFile.read(model)
    sign_model_file(model, key)
    for _ in range(2):  # signed twice is signed once
        signed = sign_model_file(model, key)
    after = ModelFile.read(model, signed_by=key.with_suffix(".pub"))
    assert (after.manifest, after.sha256) == (before.manifest, signed.sha256)
    assert ModelFile.read(model).sha256 == signed.sha256, "who asks for no signature need not have the key"


@needs_cryptography
def test_a_model_without_a_signature_is_refused_where_one_is_asked_for(model: Path, key: Path) -> None:
    with pytest.raises(ModelFileError, match="is not signed, expected a signature by"):
        ModelFile.read(model, signed_by=key.with_suffix(".pub"))


@needs_cryptography
def test_a_signature_of_another_key_another_model_or_no_signature_at_all_is_refused(
    model: Path, key: Path, tmp_path: Path
) -> None:
    public = key.with_suffix(".pub")
    make_signing_key(tmp_path / "other.key")
    sign_model_file(model, tmp_path / "other.key")
    for content in (None, b"", bytes(64), b"x" * 1000):
        if content is not None:
            repacked(model, **{"manifest.sig": content})
        with pytest.raises(ModelFileError, match="signed, but not by"):
            ModelFile.read(model, signed_by=public)


@needs_cryptography
def test_a_manifest_that_was_changed_after_it_was_signed_is_refused(model: Path, key: Path) -> None:
    sign_model_file(model, key)
    with zipfile.ZipFile(model) as archive:
        text = archive.read("manifest.json")
    repacked(model, **{"manifest.json": text + b"\n"})  # the same manifest to every reader of JSON
    ModelFile.read(model)
    with pytest.raises(ModelFileError, match="or was changed since"):
        ModelFile.read(model, signed_by=key.with_suffix(".pub"))


@needs_cryptography
def test_the_secret_is_for_its_owner_alone_and_no_key_is_replaced(key: Path, model: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(KeyFileError, match="choose another name"):
        make_signing_key(key)
    key.chmod(0o644)
    with pytest.raises(KeyFileError, match="has mode 0644"):
        sign_model_file(model, key)
    key.with_suffix(".pub").chmod(0o666)
    with pytest.raises(KeyFileError, match="has mode 0666"):
        ModelFile.read(model, signed_by=key.with_suffix(".pub"))


@needs_cryptography
@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_refused(model: Path, tmp_path: Path, content: bytes) -> None:
    for name in ("a.key", "a.pub"):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    with pytest.raises(KeyFileError, match="make it with `shiftvae keys signing`"):
        sign_model_file(model, tmp_path / "a.key")
    with pytest.raises(KeyFileError, match="make it with `shiftvae keys signing`"):
        ModelFile.read(model, signed_by=tmp_path / "a.pub")


@needs_cryptography
def test_the_command_makes_a_key_signs_and_serves_only_what_is_signed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(tmp_path / "lab.key")
    assert main(["keys", "signing", key]) == 0
    assert main(["serve", str(model), "--signed-by", str(tmp_path / "lab.pub")]) == 1
    assert "is not signed" in capsys.readouterr().err
    assert main(["sign", str(model), "--key", key]) == 0
    assert ModelFile.read(model, signed_by=tmp_path / "lab.pub").sha256 in capsys.readouterr().out


def test_without_cryptography_the_error_says_which_extra_to_install(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setattr("shiftvae_rt.model.signature.find_spec", lambda _: None)
    for act in (
        lambda: make_signing_key(tmp_path / "a.key"),
        lambda: sign_model_file(model, tmp_path / "a.key"),
        lambda: ModelFile.read(model, signed_by=tmp_path / "a.pub"),
    ):
        with pytest.raises(KeyFileError, match=r"pip install 'shiftvae-rt\[signed\]'"):
            act()
    ModelFile.read(model)
