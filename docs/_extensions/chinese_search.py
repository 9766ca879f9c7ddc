"""Full-text search in Chinese: words cut by jieba in the index, and by the words of that index in the browser.

Sphinx cuts the pages with jieba, but leaves a query as it is typed: 结果未知 would be looked for as one word, which no
page has. Here a run of Chinese characters in a query is cut into the longest words that the index knows.
"""

from typing import Any

import jieba
from english_search import AS_WORD
from sphinx.search.zh import SearchChinese

jieba.setLogLevel("WARNING")

SPLITTER = r"""
var splitQuery = (query) => {
  const known = (word) => Search._index && (Object.hasOwn(Search._index.terms, word) ||
    Object.hasOwn(Search._index.titleterms, word));
  const cut = (run) => {
    const words = [];
    for (let at = 0; at < run.length; ) {
      let end = Math.min(run.length, at + 8);
      while (end > at + 1 && !known(run.slice(at, end))) end--;
      if (end > at + 1 || run.length === 1) words.push(run.slice(at, end));
      at = end;
    }
    return words.length ? words : [run];
  };
  return (query.match(/\p{Script=Han}+|[\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu) || []).flatMap((part) =>
    /\p{Script=Han}/u.test(part) ? cut(part.match(/\p{Script=Han}+/u)[0]) : [asWord(part)]);
};
"""


class ChineseSearch(SearchChinese):
    """Sphinx's Chinese search, with a browser part that cuts queries as well."""

    lang = "zh_CN"
    language_name = "English"  # of the stemmer: Sphinx 9.0 looks for a ChineseStemmer, and its search is broken
    js_splitter_code = AS_WORD + SPLITTER

    def split(self, text: str) -> list[str]:
        """Return the words of a text of a page: Chinese ones once each, and the Latin ones."""
        return [word for word in super().split(text) if word.strip()]


def setup(app: Any) -> dict[str, Any]:
    """Register the search of the Chinese site."""
    app.add_search_language(ChineseSearch)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
