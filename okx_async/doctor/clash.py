"""A check for another distribution with a package called `okx_async`: one of the two has overwritten the other.

It imports only `finding`, because it must work where the rest of the package was overwritten.
"""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from okx_async.doctor.finding import Finding, Level

PACKAGE = "okx_async"
OURS = "okx-async"
SOURCES = (".py", ".so", ".pyd")
"""Endings of a single module of that name."""


def clash(path: Sequence[str], here: Path) -> list[Finding]:
    """Return findings about other packages of our name on `path` (as ``sys.path``); `here`: the folder in use."""
    found = []
    owners = other_owners(distributions(path=list(path)))
    if owners:
        names = " and ".join(owners)
        found.append(
            Finding(
                "name clash",
                Level.FAIL,
                f"{names} holds a package {PACKAGE}, too: one has overwritten files of the other",
                f"pip uninstall {' '.join(owners)} {OURS}, then install {OURS} anew; "
                "what needs both needs an environment for each",
            )
        )
    found += [
        Finding(
            "name clash",
            Level.WARN,
            f"another {PACKAGE} lies in {folder}; in use is the one in {here.parent}",
            "remove one of the two, or start Python elsewhere",
        )
        for folder in _other_folders(path, here)
    ]
    return found or [Finding("name clash", Level.OK, f"nothing else is called {PACKAGE}")]


def other_owners(installed: Iterable[Distribution]) -> list[str]:
    """Return the names of distributions, except ours, that hold a top-level package of our name."""
    names = set()
    for distribution in installed:
        name = distribution.metadata["Name"] or ""
        if re.sub(r"[-_.]+", "-", name).lower() != OURS and PACKAGE in _top_levels(distribution):
            names.add(name)
    return sorted(names)


def _top_levels(distribution: Distribution) -> set[str]:
    listed = (distribution.read_text("top_level.txt") or "").split()
    return {*listed, *(file.parts[0].removesuffix(".py") for file in distribution.files or () if file.parts)}


def _other_folders(path: Sequence[str], here: Path) -> list[Path]:
    found = []
    for entry in dict.fromkeys(path):
        folder = Path(entry or ".").resolve()
        other = folder / PACKAGE
        module = any((folder / f"{PACKAGE}{ending}").is_file() for ending in SOURCES)
        package = (other / "__init__.py").is_file() and other != here.resolve()
        if (module or package) and folder not in found:
            found.append(folder)
    return found
