"""What a public docstring has to say, checked by machine: subject, shapes, units, errors and parameters.

`faults(subject)` gives one sentence for each rule that a docstring breaks. The rules:

- subject: there is a docstring; its first paragraph is a sentence, starts with a capital and with a subject or a verb
  (not with "Of", "As", "Whether", "What" and their like).
- parameters: the section Parameters (of a class, with Attributes) names exactly the parameters of the signature;
  without the section, the text names each of them.
- shape: where the annotation of a parameter, a field or the result is an array, a shape in parentheses stands with it.
- unit: where a name ends in a unit, the text with it names that unit; where an annotation is a float, any unit does.
- errors: each `ShiftVaeError` that the code raises, itself or in a private function that it calls, is in a section
  Raises, by its name or that of a base class.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from shiftvae_rt.errors import ShiftVaeError

#: A docstring that begins with one of these has no subject.
NO_SUBJECT = re.compile(
    r"(?:of|as|and|but|or|for|from|with|without|in|at|by|to|that|whether|which|what|who|whose|why|how|where|when|if|so)\b",
    re.IGNORECASE,
)
#: ``(rows, cols)``, ``(n,)``, ``(2, rows, cols)``, ``(axes k, rows)``: words or numbers with a comma between.
SHAPE = re.compile(r"\(\s*[\w.*/ +-]+,\s*(?:[\w.*/ +-]+(?:,\s*[\w.*/ +-]+)*,?\s*)?\)")
#: Endings of names, and how a text names their unit.
UNITS = {
    "_px": r"\bpx\b",
    "_nm": r"\bnm\b",
    "_s": r"\b(?:s|seconds?)\b",
    "_ms": r"\b(?:ms|milliseconds?)\b",
    "_ns": r"\b(?:ns|nanoseconds?)\b",
    "_deg": r"\b(?:deg|degrees?)\b",
}
#: What a float may be measured in, where its name does not say it.
ANY_UNIT = re.compile(
    "|".join([*UNITS.values(), r"%|\bper cent\b|\brelative\b|\bshare\b|\bfactor\b|\bunits?\b|\bweights?\b|\b0 to 1\b"])
    + r"|\bper second\b|\ba second\b|\bpm\b|\bcounts\b|\bnats?\b|\bstandard deviations?\b"
)
HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.M)


@dataclass
class Subject:
    """A public class, function, method or property, with what its rules need to know.

    Parameters
    ----------
    name
        For the message.
    thing
        The class or function; the getter of a property.
    owner
        The class of a method; its names of parameters and shapes count as said.
    """

    name: str
    thing: Any
    owner: type | None = None
    sections: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        raw = self.thing.__doc__ or ""
        made_up = inspect.isclass(self.thing) and raw.startswith(f"{self.thing.__name__}(")  # by dataclass
        text = "" if made_up else inspect.cleandoc(raw)
        marks = list(HEADING.finditer(text))
        ends = [*(mark.start() for mark in marks[1:]), len(text)][: len(marks)]
        self.text = text
        self.prose = text[: marks[0].start()] if marks else text
        self.sections = {mark[1]: text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)}

    @cached_property
    def names(self) -> dict[str, Any]:
        """Globals of the module of the thing."""
        return vars(sys.modules[self.thing.__module__])

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Name and annotation of each parameter, or of each field of a class that has fields."""
        if inspect.isclass(self.thing) and issubclass(self.thing, Exception):
            return {}
        if inspect.isclass(self.thing):
            names = getattr(self.thing, "__struct_fields__", None) or getattr(self.thing, "_fields", None)
            names = names or getattr(self.thing, "__dataclass_fields__", None)
            if names:
                hints = {name: hint for base in reversed(self.thing.__mro__) for name, hint in _hints(base).items()}
                return {name: str(hints.get(name, "")) for name in names if not name.startswith("_")}
            if "__init__" not in vars(self.thing):
                return {}
        signature = inspect.signature(self.thing)
        skip = () if inspect.isclass(self.thing) or self.owner is None else ("self", "cls")
        found = {name: each.annotation for name, each in signature.parameters.items() if name not in skip}
        return {name: "" if hint is inspect.Parameter.empty else str(hint) for name, hint in found.items()}

    @cached_property
    def entries(self) -> dict[str, str]:
        """Text of each name in Parameters and Attributes."""
        found: dict[str, str] = {}
        for section in ("Parameters", "Attributes"):
            for part in re.split(r"^(?=\S)", self.sections.get(section, ""), flags=re.M):
                head, _, text = part.partition("\n")
                found |= {name.strip(" *"): text for name in head.partition(" : ")[0].split(",") if name.strip()}
        return found

    def said_of(self, name: str) -> str | None:
        """What stands with the name of a parameter; None if it is nowhere."""
        if name in self.entries:
            return self.entries[name]
        return self.prose if re.search(rf"`[^`]*\b{re.escape(name)}\b[^`]*`", self.prose) else None

    @cached_property
    def result(self) -> str:
        """Annotation of what a function gives; empty for a class."""
        hint = "" if inspect.isclass(self.thing) else inspect.signature(self.thing).return_annotation
        return "" if hint is inspect.Signature.empty else str(hint)


def public_subjects(package: ModuleType) -> Iterator[Subject]:
    """The classes and functions that a package exports, and their public methods and properties."""
    for name in package.__all__:
        thing = getattr(package, name)
        if inspect.isfunction(thing):
            yield Subject(f"{package.__name__}.{name}", thing)
        elif inspect.isclass(thing):
            yield Subject(f"{package.__name__}.{name}", thing)
            yield from _members(f"{package.__name__}.{name}", thing)


def _members(name: str, owner: type) -> Iterator[Subject]:
    ours = [base for base in owner.__mro__ if base.__module__.partition(".")[0] == owner.__module__.partition(".")[0]]
    for member in dict.fromkeys(key for base in ours for key in vars(base) if not key.startswith("_")):
        value = inspect.getattr_static(owner, member)
        value = getattr(value, "__func__", value)  # of a classmethod or staticmethod
        value = getattr(value, "fget", getattr(value, "func", value))  # of a property or cached_property
        if inspect.isfunction(value):
            yield Subject(f"{name}.{member}", value, owner)


def without_subject(source: str) -> list[str]:
    """First lines of all docstrings in `source`, private ones too, that start without a subject or a verb."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [text.partition("\n")[0] for text in texts if NO_SUBJECT.match(text)]


def faults(subject: Subject) -> list[str]:
    """One sentence for each rule that the docstring breaks."""
    if not subject.text:
        return [f"{subject.name}: has no docstring"]
    found = [*_subject(subject), *_parameters(subject), *_shapes(subject), *_units(subject), *_errors(subject)]
    return [f"{subject.name}: {each}" for each in found]


def _subject(subject: Subject) -> Iterator[str]:
    first = subject.prose.partition("\n\n")[0].strip()
    lost = NO_SUBJECT.match(first)
    if not first[:1].isupper():
        yield f"starts with {first[:20]!r}, expected a capital"
    elif lost:
        yield f"starts with {lost[0]!r}, expected a subject or a verb"
    if len(first.split()) < 2 or first[-1:] not in (".", ":"):
        yield f"its first paragraph {first!r} is no sentence"


def _parameters(subject: Subject) -> Iterator[str]:
    for name in subject.parameters:
        if subject.said_of(name) is None:
            yield f"does not name the parameter {name}"
    real = set(subject.parameters)
    if inspect.isclass(subject.thing):
        source = inspect.getsource(subject.thing)
        real |= {name for name in subject.entries if re.search(rf"\bself\.{name}\b|\bdef {name}\b", source)}
    for name in subject.entries:
        if name not in real:
            yield f"names a parameter {name} that the signature lacks"


def _shapes(subject: Subject) -> Iterator[str]:
    for name, hint in subject.parameters.items():
        if _is_array(hint, subject.names) and not SHAPE.search(subject.said_of(name) or ""):
            yield f"gives no shape of {name}"
    where = subject.sections.get("Returns", subject.prose)
    if _is_array(subject.result, subject.names) and not SHAPE.search(where):
        yield "gives no shape of the result"


def _units(subject: Subject) -> Iterator[str]:
    for name, hint in subject.parameters.items():
        unit = next((words for ending, words in UNITS.items() if name.endswith(ending)), None)
        if unit is None and "float" in re.findall(r"\w+", hint) and "Callable" not in hint:
            unit = ANY_UNIT.pattern
        if unit is not None and not re.search(unit, subject.said_of(name) or "", re.IGNORECASE):
            yield f"gives no unit of {name}"
    own = subject.name.rpartition(".")[2]
    unit = next((words for ending, words in UNITS.items() if own.endswith(ending)), None)
    if unit is None and subject.result == "float":
        unit = ANY_UNIT.pattern
    if not inspect.isclass(subject.thing) and unit is not None and not re.search(unit, subject.text, re.IGNORECASE):
        yield "gives no unit of the result"


def _errors(subject: Subject) -> Iterator[str]:
    heads = re.findall(r"^\w.*", subject.sections.get("Raises", ""), re.M)
    said = {name.strip() for head in heads for name in head.split(",")}
    for error in sorted(_raised(subject), key=lambda error: error.__name__):
        if not {base.__name__ for base in error.__mro__ if issubclass(base, ShiftVaeError)} & said:
            yield f"raises {error.__name__}, which is in no section Raises"


def _raised(subject: Subject) -> set[type[ShiftVaeError]]:
    owner = subject.thing if inspect.isclass(subject.thing) else subject.owner
    if inspect.isclass(subject.thing):
        parts = [vars(owner).get(name) for name in ("__init__", "__post_init__")]
    else:
        parts = [subject.thing]
    errors: set[type[ShiftVaeError]] = set()
    for part in parts:
        if not inspect.isfunction(part) or part.__code__.co_filename.startswith("<"):  # made by dataclass
            continue
        errors |= _raised_in(part)
        for helper in _helpers(part, owner):
            errors |= _raised_in(helper)
    return errors


def _raised_in(function: Any) -> set[type[ShiftVaeError]]:
    """Errors in the ``raise`` statements of a function; of a function that makes the error, by its annotation."""
    names = _scope(function)
    errors = set()
    for node in ast.walk(_tree(function)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            made = names.get(node.exc.func.id)
            if inspect.isfunction(made):
                made = _scope(made).get(str(made.__annotations__.get("return")))
            if inspect.isclass(made) and issubclass(made, ShiftVaeError):
                errors.add(made)
    return errors


def _helpers(function: Any, owner: type | None) -> Iterator[Any]:
    """The private functions, and those called check_..., that a function calls: its module's or its class's."""
    for node in ast.walk(_tree(function)):
        if not isinstance(node, ast.Call):
            continue
        made = None
        if isinstance(node.func, ast.Name):
            name, made = node.func.id, _scope(function).get(node.func.id)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            name = node.func.attr
            made = getattr(owner, name, None) if node.func.value.id in ("self", "cls") else None
        if made is not None and name.startswith(("_", "check_")) and inspect.isfunction(inspect.unwrap(made)):
            yield inspect.unwrap(made)


def _tree(function: Any) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _scope(function: Any) -> dict[str, Any]:
    return dict(inspect.unwrap(function).__globals__)


def _hints(base: type) -> dict[str, Any]:
    return dict(vars(base).get("__annotations__", {}))


def _is_array(hint: str, names: dict[str, Any]) -> bool:
    for word in re.findall(r"\w+", hint):
        if word in ("NDArray", "ArrayLike", "ndarray", "Float32", "Float64"):
            return True
        if typing.get_origin(names.get(word)) is np.ndarray:
            return True
    return False
