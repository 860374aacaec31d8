"""Signatures of model files: Ed25519 (RFC 8032) over the manifest, which holds the hash of everything else.

Needs the package cryptography, from the extra ``signed``. Keys are PEM files, as ``openssl genpkey -algorithm ed25519``
also makes them: ``NAME.key`` is secret and signs, ``NAME.pub`` goes to the instruments.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ..errors import KeyFileError, ModelFileError
from ..private_file import check_mode, write_new

__all__ = ["check_signature", "make_signing_key", "sign"]

#: Prefix of the signed bytes, so that no signature of something else passes for that of a model.
_PURPOSE = b"shiftvae model file 1\n"


def make_signing_key(path: Path) -> Path:
    """Make a new key at `path`, which ends in ``.key``, and give the path of its public half.

    Raises
    ------
    KeyFileError
        if one of the two files exists or cannot be written, or cryptography is not installed.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_suffix(".pub")
    if path.suffix != ".key" or public.exists():
        raise KeyFileError(f"expected NAME.key, and no file {public}, got {path}: choose another name")
    key = Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_new(path, secret, 0o600)
    write_new(public, key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def sign(manifest: bytes, key: Path) -> bytes:
    """Sign the bytes of a ``manifest.json`` with the key in the file `key`, and give the 64 bytes of the signature.

    Raises
    ------
    KeyFileError
        if the key is missing, not an Ed25519 key, or readable by others, or cryptography is not installed.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    check_mode(key)
    try:
        secret = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"cannot read {key}: {error}: make it with `shiftvae keys signing`") from error
    if not isinstance(secret, Ed25519PrivateKey):
        raise KeyFileError(f"{key} is not an Ed25519 key: make one with `shiftvae keys signing`")
    signature: bytes = secret.sign(_PURPOSE + manifest)
    return signature


def check_signature(manifest: bytes, signature: bytes | None, public: Path, model: Path) -> None:
    """Check that the owner of the public key in the file `public` signed `manifest`; `model` is for the message.

    Raises
    ------
    ModelFileError
        if there is no signature, or it is by another key or of something else.
    KeyFileError
        if the key is missing, not an Ed25519 key, or others may write to it, or cryptography is not installed.
    """
    _need_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    check_mode(public, write_only=True)
    try:
        key = load_pem_public_key(public.read_bytes())
    except (OSError, ValueError) as error:
        raise KeyFileError(f"cannot read {public}: {error}: make it with `shiftvae keys signing`") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{public} is not an Ed25519 key: make one with `shiftvae keys signing`")
    if signature is None:
        raise ModelFileError(f"{model} is not signed, expected a signature by {public}: sign it with `shiftvae sign`")
    try:
        key.verify(signature, _PURPOSE + manifest)
    except InvalidSignature:
        raise ModelFileError(f"{model} is signed, but not by {public}, or was changed since: do not use it") from None


def _need_cryptography() -> None:
    if find_spec("cryptography") is None:
        raise KeyFileError(
            "signatures need the Python package cryptography, which is not installed: pip install 'shiftvae-rt[signed]'"
        )
