"""The checks of the pages find what is wrong: made-up pages with one fault each."""

import re
from pathlib import Path

import pytest

from tests.site import links, names, questions, translations

PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'


@pytest.mark.parametrize(
    "span",
    [
        "Client.flaten",
        "okx_async.simulator.SimulatedExchnge",
        "max_waits=3",
        "NotSendError",
        "OKX_SECRET",
        "okx-async flaten",
        "okx-async flatten --dryrun",
        "make dosc",
        "docs/how-to/flattening.md",
        "50999",
    ],
)
def test_a_misspelled_name_is_found(span: str) -> None:
    assert names.complaint(span)


@pytest.mark.parametrize(
    "span",
    [
        "Client.flatten",
        "okx.Credentials.from_env()",
        "await client.close_position(..., max_wait=5.0)",
        "FlattenRow.unread",
        "OKX_SECRET_KEY",
        "okx-async flatten --dry-run",
        "make docs",
        "docs/how-to/flatten.md",
        "51115",
        "a word",
    ],
)
def test_a_name_that_exists_is_left_alone(span: str) -> None:
    assert names.complaint(span) == ""


def test_code_blocks_are_no_prose_and_what_is_typed_in_them_is_looked_at() -> None:
    text = "`one`\n\n```python\n`two`\n```\n\n```console\n$ okx-async demo   # three\nfour\n```\n`five`\n"
    assert list(names.spans(text)) == [(1, "one"), (11, "five")]
    assert list(names.commands(text)) == [(8, "okx-async demo")]


@pytest.mark.long
def test_the_names_on_all_pages_exist() -> None:
    assert names.check() == []


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="here"></h1><a href="#here"></a><a href="#there"></a><a href="b.html#x"></a><a href="c.html"></a>'
        '<a href="https://example.com/"></a><img src="b.png"><script src="https://example.com/s.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="x"><a href="a.html?q=1#here"></a></p>')
    (tmp_path / "s.css").write_text("@import url(https://example.com/f.css); p { background: url(b.png) }")
    found = links.check(tmp_path)
    assert found.broken == [("a.html", "#there"), ("a.html", "c.html"), ("a.html", "b.png")]
    assert found.fetched == [("a.html", "https://example.com/s.js"), ("s.css", "https://example.com/f.css")]
    assert found.outside == {"https://example.com/": ["a.html"]}


def test_a_schema_whose_file_is_elsewhere_is_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "a.json").write_text(
        '{"items": [{"$ref": "b.json#/x"}, {"$ref": "#/x"}, {"$ref": "a.json"}]}'
    )
    assert links.check(tmp_path).broken == [("schemas/a.json", "b.json")]


def test_stale_translations_are_listed(tmp_path: Path) -> None:
    templates, catalogues = tmp_path / "pot", tmp_path / "po"
    for folder in (templates, catalogues):
        folder.mkdir()
    for name in ("page.pot", "english.pot"):
        texts = "".join(f'msgid "{text}"\nmsgstr ""\n\n' for text in ("same", "new", "empty", "changed"))
        (templates / name).write_text(PO + texts)
    (catalogues / "page.po").write_text(
        PO + 'msgid "same"\nmsgstr "a"\n\nmsgid "empty"\nmsgstr ""\n\n#, fuzzy\nmsgid "changed"\nmsgstr "b"\n'
    )
    (catalogues / "gone.po").write_text(PO)
    assert [(each.page, each.why, each.text) for each in translations.check(templates, catalogues)] == [
        ("gone", "no such page", ""),
        ("page", "new: run make docs-po", "new"),
        ("page", "not translated", "empty"),
        ("page", "changed since", "changed"),
    ]


def test_every_page_has_a_place_in_the_navigation() -> None:
    docs = names.ROOT / "docs"
    placed = {"index"}
    for page in (docs / "index.md", docs / "reference" / "api" / "index.md"):
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            entries = re.findall(r"^([\w/-]+)$", tree, re.MULTILINE)
            placed |= {(page.parent / entry).relative_to(docs).as_posix() for entry in entries}
    assert placed == {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}


def test_every_question_of_a_newcomer_has_its_place() -> None:
    assert len(questions.answers()) == 20
    assert questions.check() == []
