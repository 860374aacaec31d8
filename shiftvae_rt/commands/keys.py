"""Create and revoke the keys of the clients that may use a service, and create keys that sign models."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_arguments", "run"]

_ROLES = ("produce", "read", "admin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae keys`."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    for action, about in (
        ("create", "make a folder with a new key of the service, and nobody allowed in"),
        ("add", "let a client in; prints the file to move to its computer"),
        ("revoke", "let a client in no more"),
        ("list", "who is let in"),
    ):
        sub = actions.add_parser(action, help=about, description=about)
        sub.add_argument("folder", type=Path, metavar="FOLDER", help="folder of `shiftvae serve --keys`")
        if action in ("add", "revoke"):
            sub.add_argument("name", metavar="NAME", help="of the client: A-Z a-z 0-9 _ . -")
        if action == "add":
            sub.add_argument(
                "--role",
                choices=_ROLES,
                action="append",
                required=True,
                help="produce: send frames; read: results and the journal; admin: also swap models and stop",
            )
    signing = actions.add_parser("signing", help="make a key that signs model files, and its public half")
    signing.add_argument("key", type=Path, metavar="NAME.key", help="the secret half; the public one is NAME.pub")


def run(arguments: argparse.Namespace) -> None:
    """Do what was asked and say what to do next."""
    if arguments.action == "signing":
        _make_signing_key(arguments.key)
        return
    from ..stream import KeyFolder

    if arguments.action == "create":
        KeyFolder.create(arguments.folder)
        print(f"made {arguments.folder}: let clients in with `shiftvae keys add {arguments.folder} NAME --role ROLE`")
        return
    keys = KeyFolder(arguments.folder)
    if arguments.action == "add":
        path = keys.add(arguments.name, tuple(dict.fromkeys(arguments.role)))
        print(f"made {path}: move it to the client's computer (it is a secret), and give it there with --key")
    elif arguments.action == "revoke":
        keys.revoke(arguments.name)
        print(f"{arguments.name} is let in no more; restart the service to end a connection that it has")
    else:
        for client in keys.clients():
            print(f"{client.name:<20} {' '.join(client.roles):<20} {client.public}")


def _make_signing_key(path: Path) -> None:
    from ..model.signature import make_signing_key

    public = make_signing_key(path)
    print(f"made {path} (a secret: sign with `shiftvae sign MODEL --key {path}`) and {public}")
    print(f"copy {public} to the instruments: `shiftvae serve MODEL --signed-by {public.name}`")
