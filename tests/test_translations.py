"""The Chinese pages: complete, with everything that must stay as it is, and in the words of the glossary.

A catalogue (.po) holds each paragraph of a page with its translation. `make docs-po` brings it up to the page.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import okx_async

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CATALOGUES = DOCS / "locale" / "zh_CN" / "LC_MESSAGES"
README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"
GLOSSARY = "reference/glossary"
PAGES = sorted(path.relative_to(CATALOGUES).with_suffix("").as_posix() for path in CATALOGUES.rglob("*.po"))

FENCED = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2 *$|<!--.*?-->|^:::.*?$|^\([\w-]+\)=$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+).+?\1")
LINK = re.compile(r"\]\([^)]*\)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
COMMENTS = DOCS / "locale" / "zh_CN" / "comments.po"
CODE_BLOCK = re.compile(r"^```(?:python|console|bash|sh|ini|yaml)\b.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"(?:^|(?<=\s))# (.+)$", re.MULTILINE)  # as docs/_extensions/code_comments.py reads them
SHOWN = ("/", "<", "okx.")  # a path, or code: nothing to translate
HAN = r"[\u4e00-\u9fff]"
PUNCTUATION = r"[\u3000-\u303f\uff00-\uff65\u2018-\u201d`*_]"  # what Markdown does not take for a letter
BOLD = re.compile(r"(.?)\*\*(.+?)\*\*(.?)")
CROWDED = re.compile(rf"{HAN}[A-Za-z0-9`]|[A-Za-z0-9`]{HAN}|{HAN} ?[,;:?!]")


@cache
def translated(page: str) -> dict[str, str]:
    """The paragraphs of a page, and their translations: "" if it is missing, or made for an earlier text."""
    with (CATALOGUES / f"{page}.po").open("rb") as file:
        messages = list(read_po(file))[1:]
    return {str(message.id): "" if message.fuzzy else str(message.string) for message in messages}


def told(text: str) -> tuple[Counter[str], Counter[str]]:
    """What stands in a text and must stay: code, addresses and emphasis; numbers."""
    bare = LINK.sub("]", CODE.sub("`", text))
    marks = Counter({"**": bare.count("**")})
    kept = Counter([match[0] for match in CODE.finditer(text)] + LINK.findall(text)) + marks
    return kept, Counter(NUMBER.findall(bare))


def lost(original: str, translation: str) -> list[str]:
    (kept, numbers), (kept_zh, numbers_zh) = told(original), told(translation)
    return [*(kept - kept_zh), *(kept_zh - kept), *(numbers - numbers_zh)]


def unread(text: str) -> list[str]:
    """Emphasis that Markdown leaves as it stands, because it is between punctuation and a letter."""
    return [
        bold[0]
        for bold in BOLD.finditer(text)
        if (re.match(r"\w", bold[1]) and re.match(PUNCTUATION, bold[2]))
        or (re.match(PUNCTUATION, bold[2][-1]) and re.match(r"\w", bold[3]))
    ]


def prose(page: str) -> str:
    """The text of a page on one line, without code, and with captions, texts of pictures and docstrings."""
    text = (DOCS / f"{page}.md").read_text()
    captions = re.findall(r"^:(?:caption|alt): (.*)$", text, re.MULTILINE)
    documented = [
        str(getattr(okx_async, name).__doc__) for name in re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE)
    ]
    return " ".join("\n".join([FENCED.sub("", text).replace(r"\|", "|"), *captions, *documented]).split())


def refused() -> list[str]:
    """The words of the glossary's last column."""
    rows = re.findall(r"^\|(.*)\|$", (DOCS / f"{GLOSSARY}.md").read_text(), re.MULTILINE)
    return [word for row in rows for word in row.split("|")[-1].strip().split(", ") if re.match(HAN, word)]


@pytest.mark.long  # an English page may be ahead for a while; `make docs-check` says so, too
def test_each_page_that_is_to_be_translated_has_a_catalogue() -> None:
    recipe = re.search(r"cd build/gettext && rm -rf (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    english = (*(name.removesuffix(".pot") for name in recipe[1].split()), "reference/api")
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    kept = {page for page in pages if page in english or page.startswith(tuple(f"{name}/" for name in english))}
    assert "find build/gettext/reference/api -type f ! -name errors.pot -delete" in (ROOT / "Makefile").read_text()
    kept.discard("reference/api/errors")
    assert sorted(pages - kept) == PAGES


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_each_paragraph_is_translated(page: str) -> None:
    text = prose(page)
    assert [paragraph for paragraph in translated(page) if paragraph not in text] == [], "run `make docs-po`"
    for paragraph in sorted(translated(page), key=len, reverse=True):
        text = text.replace(paragraph, " ")
    assert re.findall(r"[\w ]*\w[\w ]*", re.sub(r"\b\d+\.(?= )", "", text)) == [], "run `make docs-po`"
    assert [paragraph for paragraph, translation in translated(page).items() if not translation] == []


def comments() -> dict[str, str]:
    """The comments in code, and their translations."""
    with COMMENTS.open("rb") as file:
        return {str(message.id): str(message.string) for message in list(read_po(file))[1:]}


@pytest.mark.long
def test_each_comment_in_code_is_translated() -> None:
    blocks = [block for page in PAGES for block in CODE_BLOCK.findall((DOCS / f"{page}.md").read_text())]
    found = {comment for block in blocks for comment in COMMENT.findall(block) if not comment.startswith(SHOWN)}
    assert found == set(comments()), f"in {COMMENTS.name} only what is on a page"


def test_comments_in_code_are_in_the_same_words() -> None:
    assert [text for text in comments().values() if not text or any(word in text for word in refused())] == []
    assert {text: found for text in comments().values() if (found := CROWDED.findall(CODE.sub("`x`", text)))} == {}
    code = {text: set(CODE.findall(text)) ^ set(CODE.findall(made)) for text, made in comments().items()}
    assert {text: found for text, found in code.items() if found} == {}


@pytest.mark.parametrize("page", PAGES)
def test_code_links_and_numbers_are_those_of_the_english_page(page: str) -> None:
    pairs = translated(page).items()
    assert {paragraph: found for paragraph, text in pairs if text and (found := lost(paragraph, text))} == {}


@pytest.mark.parametrize("page", PAGES)
def test_a_translation_is_read_as_one_paragraph(page: str) -> None:
    """Sphinx leaves the English where the translation is a list or a heading: "1. …" must be written "1\\. …"."""
    assert [text for text in translated(page).values() if re.match(r"(\d+[.)]|[-+*#>]) ", text)] == []


@pytest.mark.parametrize("page", [*PAGES, README_ZH.name])
def test_one_word_is_used_for_one_thing(page: str) -> None:
    texts = [README_ZH.read_text()] if page == README_ZH.name else list(translated(page).values())
    words = refused()
    assert len(words) > 20
    assert [(word, text) for text in texts for word in words if word in text and page != GLOSSARY] == []


@pytest.mark.parametrize("page", [*PAGES, README_ZH.name])
def test_the_text_is_set_alike(page: str) -> None:
    texts = README_ZH.read_text().splitlines() if page == README_ZH.name else list(translated(page).values())
    bare = [LINK.sub("]", CODE.sub("`x`", text)) for text in texts if page != GLOSSARY]
    assert [match for text in bare for match in unread(text) + CROWDED.findall(text)] == []


@pytest.mark.long  # an English page may be ahead for a while; `make docs-check` says so, too
def test_the_chinese_readme_says_what_the_english_one_says() -> None:
    english, chinese = ([*README.read_text().split("\n## ")], [*README_ZH.read_text().split("\n## ")])
    assert len(english) == len(chinese)
    own = ["`README.zh-CN.md`", "](README.md)", f"`docs/{GLOSSARY}.md`"]
    for section, section_zh in zip(english, chinese, strict=True):
        code, code_zh = (re.findall(r"^```(?s:.*?)^```$", text, re.MULTILINE) for text in (section, section_zh))
        assert [re.sub(r"\s+# .*", "", block) for block in code] == [re.sub(r"\s+# .*", "", block) for block in code_zh]
        prose_en, prose_zh = (FENCED.sub("", text) for text in (section, section_zh))
        assert [found for found in lost(" ".join(prose_en.split()), prose_zh) if found not in own] == []
