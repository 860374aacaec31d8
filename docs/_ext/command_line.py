"""The directive ``command-line``: every command of `shiftvae` with its options, read from the parsers themselves."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from shiftvae_rt.cli import command_parser, installed_commands


class CommandLine(SphinxDirective):
    """One section for each command."""

    def run(self) -> list[nodes.Node]:
        commands = installed_commands()
        parser = command_parser(commands, [command.name for command in commands])
        sections: list[nodes.Node] = []
        for name, command in commands_of(parser):
            sections.append(self._section(f"shiftvae {name}", command))
        return sections

    def _section(self, title: str, parser: argparse.ArgumentParser) -> nodes.section:
        section = nodes.section(ids=[title.replace(" ", "-")], names=[title])
        section += nodes.title(title, title)
        section += self._markdown([" ".join((parser.description or "").split())])
        section += self._usage(parser)
        section += self._options(parser)
        for name, action in commands_of(parser):
            section += self._section(f"{title} {name}", action)
        return section

    def _usage(self, parser: argparse.ArgumentParser) -> nodes.literal_block:
        formatter = parser.formatter_class(prog=parser.prog, width=88)
        formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
        text = formatter.format_help().strip()
        return nodes.literal_block(text, text, language="text")

    def _options(self, parser: argparse.ArgumentParser) -> list[nodes.Node]:
        lines = []
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
                continue
            told = (action.help or "") % {**vars(action), "prog": parser.prog}
            told = re.sub(r"(?<![\w`-])--[a-z][\w-]*", r"`\g<0>`", " ".join(told.split()))  # "--" would become a dash
            lines += [invocation(action), f": {told}", ""]
        return self._markdown(lines)

    def _markdown(self, lines: list[str]) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse(StringList(lines, "parser"), self.content_offset, container)
        return container.children


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Names and parsers of the commands below `parser`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def invocation(action: argparse.Action) -> str:
    """How an argument is written: its options and what follows them, or its own name."""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    value = action.metavar or choices
    value = " ".join(value) if isinstance(value, tuple) else str(value)
    value = f"[{value}]" if action.nargs == "?" and action.option_strings else value
    if not action.option_strings:
        return f"`{value}`"
    takes = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{option}{takes}`" for option in action.option_strings)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
