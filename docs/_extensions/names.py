"""The reference of names: each argument with its default, and links from every mention of a public name.

A docstring describes its arguments a line each. The default of each is added here, from the signature, so that it
cannot be wrong.
"""

import enum
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Annotated, Any, Union, get_args, get_origin

from docutils import nodes

PACKAGES = (
    "okx_async",
    "okx_async.simulator",
    "okx_async.doctor",
    "okx_async.stores",
    "okx_async.instrumentation",
)
_SECTIONS = {"Args:": "param", "Raises:": "raises"}
_ENTRY = re.compile(r"    ((?:\*{0,2}\w+, )*\*{0,2}\w+): (.*)")


def default_of(thing: Any, name: str) -> str:
    """Return the default of an argument as it is written in a call; "" if it has none."""
    try:
        parameter = inspect.signature(thing).parameters[name]
    except (KeyError, TypeError, ValueError):  # of a raised error, or no signature, as some classes in C
        return ""
    value = parameter.default
    if value is inspect.Parameter.empty or "factory" in repr(value):
        return ""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, FunctionType) or inspect.isbuiltin(value):
        return f"{value.__module__}.{value.__name__}"
    text = repr(value)  # of what Sphinx puts in its place: the words of the source
    source = inspect.unwrap(thing.__init__ if inspect.isclass(thing) else thing)
    return repr(source.__globals__[text]) if text in getattr(source, "__globals__", {}) else text


def entries(lines: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the entries of a section: the names before the colon, and the lines of the text."""
    names: list[str] = []
    text: list[str] = []
    for line in lines:
        if match := _ENTRY.fullmatch(line):
            if names:
                yield names, text
            names, text = match[1].split(", "), [match[2]]
        else:
            text.append(line[4:])
    while text and not text[-1]:
        text.pop()
    yield names, text


def write_fields(_app: Any, _what: str, _name: str, thing: Any, _options: object, lines: list[str]) -> None:
    """Write the sections of a docstring as fields: one for each argument, which ends with its default.

    The default is left out where the text speaks of one.
    """
    for heading, field in _SECTIONS.items():
        if heading not in lines:
            continue
        start = lines.index(heading)
        stop = next((at for at in range(start + 1, len(lines)) if re.match(r"\S", lines[at])), len(lines))
        written = []
        for names, text in entries(lines[start + 1 : stop]):
            for name in names:
                written += [f":{field} {name.strip('*')}: {text[0]}", *text[1:]]
                default = "" if "default" in " ".join(text) else default_of(thing, name)
                if default:
                    written[-1] += f" Default: ``{default}``."
        lines[start:stop] = [*written, ""]


def hide_signature(
    _app: Any, what: str, _name: str, thing: Any, _options: object, signature: str | None, _returns: str
) -> tuple[str, str] | None:
    """Show no arguments of a class that is not made by its user: an interface, an enumeration, an error."""
    hidden = what == "exception" or (
        what == "class" and (issubclass(thing, enum.Enum) or "_is_protocol" in vars(thing))
    )
    return ("", "") if hidden and signature else None


def plain(annotation: Any) -> Any:
    """Return an annotation without what only pydantic reads."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if isinstance(annotation, type(int | str)) or get_origin(annotation) is Union:
        return Union[tuple(plain(part) for part in get_args(annotation))]  # noqa: UP007 - of parts that are computed
    return annotation


def public_names() -> dict[str, str]:
    """Return the address of each public name, by the name alone; the first package has it."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            found.setdefault(name, f"{package}.{name}")
            thing = getattr(module, name)
            for holder in (thing, thing.__init__) if inspect.isclass(thing) else ():
                for field, annotation in getattr(holder, "__annotations__", {}).items():
                    holder.__annotations__[field] = plain(annotation)
    return found


def link_names(names: dict[str, str]) -> Callable[[Any, Any, Any, Any], nodes.Node | None]:
    """Return a resolver of references by the module in which a name is defined, which is private."""

    def resolve(app: Any, env: Any, node: Any, content: Any) -> nodes.Node | None:
        target = node.get("reftarget", "")
        name, _, member = target.rpartition(".")
        for address in (names.get(member), f"{names.get(name.rpartition('.')[2])}.{member}"):
            found = env.domains.python_domain.find_obj(env, None, None, address, None, 0) if address else []
            if found:
                document, anchor = found[0][1].docname, found[0][1].node_id
                uri = f"{app.builder.get_relative_uri(node['refdoc'], document)}#{anchor}"
                return nodes.reference("", "", content, internal=True, refuri=uri)
        return None

    return resolve


def setup(app: Any) -> dict[str, Any]:
    """Register all of it."""
    app.connect("autodoc-process-docstring", write_fields)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("missing-reference", link_names(public_names()))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
