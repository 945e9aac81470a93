"""Bytes of a recipe's YAML -> a typed recipe, or every reason why not, each with its line.

Shape (unknown keys, types, ranges) comes from ``core.recipe`` by way of ``core.shape``; here are the rules about what
fields mean together.  Whether the code file exists is the store's to know; :func:`check_code` judges its bytes.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_args

from deskhand.core import strict_yaml as y
from deskhand.core.recipe import Approve, Kind, Parameter, Recipe
from deskhand.core.rule_parser import RuleError, parameters, parse
from deskhand.core.shape import MISSING, Shaper, suggest

SCHEMA = 1
PROSE = ("purpose", "environment", "inputs", "outputs", "safety", "observability")
"""The sections that every recipe has to fill."""
ARGV_PLACEHOLDERS = ("input", "output_dir", "id", "name")
DELIVER_PLACEHOLDERS = ("name", "stem", "ext", "id", "date", "year", "month", "day", "recipe", "inbox")
PLACEHOLDER = re.compile(r"\{(param\.[A-Za-z0-9_-]+|[A-Za-z_][A-Za-z0-9_]*)\}")
"""`{word}` or `{param.word}`; other braces are plain text."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET = re.compile(r"PASSW|SECRET|TOKEN|API_?KEY|CREDENTIAL", re.IGNORECASE)
_FROM_OUTSIDE = frozenset({"version", "sha256", "code_sha256"})
_OURS = ("queue", "audit_logs")
_ONLY_FOR: dict[str, Kind] = {"argv": "command", "code": "python", "function": "python"}


class Reading(NamedTuple):
    """*recipe* is None exactly when there are *violations*."""

    recipe: Recipe | None
    violations: tuple[y.Violation, ...]


def is_recipe_id(text: str) -> bool:
    """Whether *text* can name a recipe, and its folder, on every filesystem."""
    return _ID.match(text) is not None and _DEVICES.match(text) is None


def read(data: bytes, *, expected_id: str | None = None, version: int = 0, code_sha256: str | None = None) -> Reading:
    """Read one recipe; *expected_id* is the id its place says.  Never raises for any bytes."""
    document = y.read(data)
    if document.root is None:
        return Reading(None, document.violations)
    checker = _Checker(document.root)
    found = checker.check(expected_id)
    violations = tuple(sorted({*document.violations, *checker.shaper.violations}))
    if found is None or violations:
        return Reading(None, violations)
    digest = hashlib.sha256(data).hexdigest()
    return Reading(Recipe(**found, version=version, sha256=digest, code_sha256=code_sha256), ())


def placeholders(template: str) -> list[str]:
    """Names of the placeholders in an argument or a path, without braces, in order."""
    return PLACEHOLDER.findall(template)


def check_code(code: bytes, function: str) -> tuple[y.Violation, ...]:
    """What is wrong with a code file: it must parse and define *function* at the top level.  Nothing is run."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return (y.Violation(error.lineno or 0, error.offset or 0, "", f"is not Python: {error.msg}"),)
    except (ValueError, RecursionError, MemoryError) as error:
        return (y.Violation(0, 0, "", f"is not Python: {error}"),)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if function not in names:
        message = f"defines no function {function!r} at its top level{suggest(function, names)}"
        return (y.Violation(0, 0, "", message),)
    return ()


class _Checker:
    """One pass over one recipe."""

    def __init__(self, root: y.Node) -> None:
        self.root = root
        self.shaper = Shaper({(Recipe, "approval"): self._approval})
        self.found: dict[str, Any] = {}

    def check(self, expected_id: str | None) -> dict[str, Any] | None:
        """The fields, or None; violations are in the shaper."""
        if not isinstance(self.root, y.Mapping):
            self.shaper.wrong(self.root.span, "", "a recipe is a mapping that begins with 'schema: 1'")
            return None
        self._schema(self.root.get("schema"))
        found = self.shaper.fields(self.root.without("schema"), Recipe, hidden=_FROM_OUTSIDE)
        if found is MISSING:
            return None
        self.found = found
        self._id(expected_id)
        self._prose()
        self._roles()
        self._parameters()
        self._kind()
        self._argv()
        self._deliver()
        self._match()
        self._env()
        self._retry()
        return found

    def _wrong(self, path: str, message: str) -> None:
        self.shaper.wrong(y.locate(self.root, path), path, message)

    def _schema(self, node: y.Node | None) -> None:
        if node is None:
            self._wrong("schema", f"is required; write 'schema: {SCHEMA}' first")
        elif not isinstance(node, y.Scalar) or node.value != SCHEMA or isinstance(node.value, bool):
            self._wrong("schema", f"must be {SCHEMA}; other formats are not known to this version of deskhand")

    def _id(self, expected: str | None) -> None:
        identifier = self.found.get("id")
        if identifier is None:
            return
        if not is_recipe_id(identifier):
            self._wrong("id", "must be 1 to 40 characters of a-z, 0-9 and '-', not at its ends, and no device name")
        elif expected is not None and identifier != expected:
            self._wrong("id", f"is {identifier!r}, but the place of this file says {expected!r}")

    def _prose(self) -> None:
        for section in PROSE:
            if section in self.found and not self.found[section].strip():
                self._wrong(section, "must not be empty; a sentence is enough")

    def _roles(self) -> None:
        roles = self.found.get("roles", ("owner",))
        if not roles:
            self._wrong("roles", "must name at least one role, such as owner")
        for index, role in enumerate(roles):
            if _ID.match(role) is None:
                self._wrong(f"roles[{index}]", "a role is a word of a-z, 0-9 and '-'")

    def _parameters(self) -> None:
        for name, parameter in self.found.get("params", {}).items():
            path = f"params.{name}"
            if _PARAMETER.match(name) is None:
                self._wrong(path, "a parameter's name is a word of a-z, 0-9 and '_' that begins with a letter")
            self._parameter(path, parameter)

    def _parameter(self, path: str, parameter: Parameter) -> None:
        if not parameter.description.strip():
            self._wrong(f"{path}.description", "must not be empty")
        values = [(f"{path}.choices[{index}]", choice) for index, choice in enumerate(parameter.choices)]
        if parameter.default is not None:
            values.append((f"{path}.default", parameter.default))
        for where, value in values:
            if value.startswith("-"):
                self._wrong(where, "must not start with '-': a program would take it for an option")
        if parameter.choices and parameter.default is not None and parameter.default not in parameter.choices:
            self._wrong(f"{path}.default", f"is not one of the choices{suggest(parameter.default, parameter.choices)}")

    def _kind(self) -> None:
        kind = self.found.get("kind")
        if kind not in get_args(Kind):
            return
        assert isinstance(self.root, y.Mapping)
        for key, only in _ONLY_FOR.items():
            if kind != only and self.root.get(key) is not None:
                self._wrong(key, f"belongs to kind {only}, not to kind {kind}")
        if kind == "command" and not self.found.get("argv") and not self._named("argv"):
            self._wrong("argv", "is required for kind command: a list, the program first")
        if kind == "python":
            self._code()

    def _named(self, path: str) -> bool:
        """Whether something is wrong at *path* already, so that a second complaint says nothing new."""
        return any(re.split(r"[.\[]", violation.path)[0] == path for violation in self.shaper.violations)

    def _code(self) -> None:
        code, function = self.found.get("code"), self.found.get("function", "run")
        if code is None:
            if not self._named("code"):
                self._wrong("code", "is required for kind python: the name of a .py file beside the draft")
        elif not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.py", code):
            self._wrong("code", "must be a plain file name ending in .py, beside the draft")
        if not function.isidentifier():
            self._wrong("function", "must be the name of a function")

    def _argv(self) -> None:
        argv = self.found.get("argv", ())
        if not argv:
            return
        if not argv[0].strip() or "\0" in argv[0]:
            self._wrong("argv[0]", "must be a program")
        elif placeholders(argv[0]):
            self._wrong("argv[0]", "must be a fixed program; what is dropped must not choose what is run")
        for index, argument in enumerate(argv[1:], 1):
            self._placeholders(f"argv[{index}]", argument, ARGV_PLACEHOLDERS)

    def _placeholders(self, path: str, template: str, known: Iterable[str]) -> None:
        declared = [f"param.{name}" for name in self.found.get("params", {})]
        everything = [*known, *declared]
        for name in placeholders(template):
            if name in everything:
                continue
            if name.startswith("param."):
                message = f"the parameter {name.removeprefix('param.')!r} is not declared under params"
            else:
                message = f"no such placeholder: {{{name}}}"
            self._wrong(path, message + suggest(name, everything))

    def _deliver(self) -> None:
        template = self.found.get("deliver")
        if template is None:
            return
        self._placeholders("deliver", template, DELIVER_PLACEHOLDERS)
        for message in _path_problems(template):
            self._wrong("deliver", message)

    def _match(self) -> None:
        match = self.found.get("match")
        if match is None:
            return
        if match.inboxes and not match.names:
            self._wrong("match.names", 'is required beside inboxes; ["*"] takes every name')
        for index, glob in enumerate(match.names):
            if not glob or "/" in glob or len(glob) > 255:
                self._wrong(f"match.names[{index}]", "must be a glob of a single name, such as '*.pdf'")

    def _env(self) -> None:
        for name in self.found.get("env", {}):
            path = f"env.{name}"
            if _VARIABLE.match(name) is None:
                self._wrong(path, "is no name of an environment variable")
            elif name.upper().startswith("DESKHAND_"):
                self._wrong(path, "names that begin with DESKHAND_ are set by deskhand itself")
            elif _SECRET.search(name):
                self._wrong(path, "looks like a secret; recipes can be read by everybody who reads the vault")

    def _retry(self) -> None:
        retry = self.found.get("retry")
        if retry is not None and retry.max_backoff < retry.backoff:
            self._wrong("retry.max_backoff", "must not be shorter than retry.backoff")

    def _approval(self, node: y.Node, path: str) -> Any:
        """`required`, `never`, or a mapping with the rule under `when`."""
        match node:
            case y.Scalar(value="required"):
                return Approve("required")
            case y.Scalar(value="never"):
                return Approve("never")
            case y.Mapping():
                return self._when(node, path)
            case _:
                hint = suggest(node.text, ("required", "never")) if isinstance(node, y.Scalar) else ""
                return self.shaper.wrong(node.span, path, f"must be required, never, or 'when: <rule>'{hint}")

    def _when(self, node: y.Mapping, path: str) -> Any:
        for entry in node.entries:
            if entry.key.text != "when":
                return self.shaper.wrong(
                    entry.key.span, f"{path}.{entry.key.text}", "no such key; write 'when: <rule>'"
                )
        text = node.get("when")
        if not isinstance(text, y.Scalar) or not isinstance(text.value, str):
            return self.shaper.wrong(node.span, f"{path}.when", "must be a rule, such as 'bytes > 10MiB'")
        try:
            asked = parameters(parse(text.value))
        except RuleError as error:
            return self.shaper.wrong(text.span, f"{path}.when", str(error))
        params = self.root.get("params") if isinstance(self.root, y.Mapping) else None
        declared = [entry.key.text for entry in params.entries] if isinstance(params, y.Mapping) else []
        for name in sorted(asked - set(declared)):
            message = f"the parameter {name!r} is not declared under params{suggest(name, declared)}"
            self.shaper.wrong(text.span, f"{path}.when", message)
        return Approve("when", text.value)


def _path_problems(template: str) -> Iterator[str]:
    """What is wrong with a `deliver:` template beside its placeholders."""
    steps = template.split("/")
    if not template.strip() or "\0" in template:
        yield "must be a path such as outbox/{name}"
    elif template.startswith("~"):
        yield "must be a path in the desk or an absolute one; ~ is not expanded"
    elif ".." in steps or "\\" in template:
        yield "must not contain '..' or backslashes"
    elif steps[-1] in ("", "."):
        yield "must end in a file's name, such as {name}"
    elif next((step for step in steps if step not in ("", ".")), "").lower() in _OURS and not template.startswith("/"):
        yield f"must not lead into {' or '.join(_OURS)}: these folders are deskhand's own"
