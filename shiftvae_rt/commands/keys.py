"""Create and revoke the keys of the clients that may use a service, and create keys that sign models."""

from __future__ import annotations

import argparse
from pathlib import Path

from .text import answer

__all__ = ["add_arguments", "run"]

_ROLES = ("produce", "read", "admin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae keys`."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    for action, about in (
        ("create", "create a folder with a new key of the service, which admits no client yet"),
        ("add", "admit a client, and write the key file to move to its computer"),
        ("revoke", "revoke a client"),
        ("list", "list the clients that are admitted"),
    ):
        sub = actions.add_parser(action, help=about, description=about)
        sub.add_argument("folder", type=Path, metavar="FOLDER", help="folder of `shiftvae serve --keys`")
        if action in ("add", "revoke"):
            sub.add_argument("name", metavar="NAME", help="name of the client: A-Z a-z 0-9 _ . -")
        if action == "add":
            sub.add_argument(
                "--role",
                choices=_ROLES,
                action="append",
                required=True,
                help="produce: send frames; read: receive results and read the journal; admin: "
                "also swap models and stop the service",
            )
    signing = actions.add_parser("signing", help="create a key that signs model files, and its public half")
    signing.add_argument(
        "key", type=Path, metavar="NAME.key", help="file for the secret half; the public half is NAME.pub"
    )


def run(arguments: argparse.Namespace) -> None:
    """Carry out the action and say what to do next."""
    if arguments.action == "signing":
        _make_signing_key(arguments.key)
        return
    from ..stream import KeyFolder

    if arguments.action == "create":
        KeyFolder.create(arguments.folder)
        answer(
            f"created {arguments.folder}; admit clients with `shiftvae keys add {arguments.folder} NAME --role ROLE`"
        )
        return
    keys = KeyFolder(arguments.folder)
    if arguments.action == "add":
        path = keys.add(arguments.name, tuple(dict.fromkeys(arguments.role)))
        answer(f"created {path}; it is a secret: move it to the computer of the client, and name it there with --key")
    elif arguments.action == "revoke":
        keys.revoke(arguments.name)
        answer(f"revoked {arguments.name}; restart the service to end a connection that is open")
    else:
        for client in keys.clients():
            print(f"{client.name:<18} {' '.join(client.roles):<18} {client.public}")


def _make_signing_key(path: Path) -> None:
    from ..model.signature import make_signing_key

    public = make_signing_key(path)
    answer(f"created {path} (a secret: sign with `shiftvae sign MODEL --key {path}`) and {public}")
    answer(f"copy {public} to the instruments: `shiftvae serve MODEL --signed-by {public.name}`")
