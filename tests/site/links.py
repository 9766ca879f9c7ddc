"""Where the links of a built site lead: within it, to a place that exists; outside, nowhere but by a click."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

# Attributes by which a page fetches something by itself; an `a` waits for a click.
_FETCHED = {
    ("img", "src"),
    ("script", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "srcset"),
    ("video", "src"),
    ("use", "href"),
}
_NOT_FETCHED = {"next", "prev", "index", "search", "author", "canonical"}
_OF_STYLE = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)")
_OUTSIDE = re.compile(r"(?:https?:)?//")


@dataclass
class Page(HTMLParser):
    """The places of one page, and where it leads."""

    text: str
    places: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names and where it leads."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.places.add(given["id"])
        for name, value in given.items():
            if (tag, name) in _FETCHED and given.get("rel") not in _NOT_FETCHED:
                self.fetched.append(value)
            elif name == "href":
                self.links.append(value)


@dataclass(frozen=True)
class Links:
    """What was found: page and address of each link that is broken, is fetched from outside, or leads outside."""

    broken: list[tuple[str, str]]
    fetched: list[tuple[str, str]]
    outside: dict[str, list[str]]


def check(site: Path) -> Links:
    """Read all pages and style sheets of a site."""
    pages = {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    broken, fetched, outside = [], [], dict[str, list[str]]()
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for address in [*page.links, *page.fetched]:
            if _OUTSIDE.match(address):
                if address in page.fetched:
                    fetched.append((name, address))
                else:
                    outside.setdefault(address, []).append(name)
            elif not re.match(r"data:|mailto:|javascript:", address) and not _leads(path, address, pages):
                broken.append((name, address))
    for path in sorted(site.rglob("schemas/*.json")):
        files = [target for target in _of_schema(json.loads(path.read_text())) if not (path.parent / target).is_file()]
        broken += [(path.relative_to(site).as_posix(), target) for target in files]
    fetched += [(path.relative_to(site).as_posix(), address) for path, address in _of_styles(site)]
    return Links(broken, fetched, outside)


def _of_schema(node: Any) -> Iterator[str]:
    """Yield the files that a schema refers to."""
    if isinstance(node, dict) and isinstance(node.get("$ref"), str) and (file := urldefrag(node["$ref"])[0]):
        yield file
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _of_schema(each)


def _leads(path: Path, address: str, pages: dict[Path, Page]) -> bool:
    target, place = urldefrag(unquote(address))
    file = (path.parent / target.partition("?")[0]).resolve() if target else path
    if not file.is_file():
        return False
    page = pages.get(file)
    return not place or page is None or place in page.places


def _of_styles(site: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(site.rglob("*.css")):
        for match in _OF_STYLE.finditer(path.read_text()):
            if _OUTSIDE.match(match[1] or match[2]):
                yield path, match[1] or match[2]
