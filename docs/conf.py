"""The documentation site, in English and Chinese: `make docs` builds both into build/site.

Nothing is fetched: neither while it builds nor by the pages, whose fonts and scripts are the theme's own.
"""

import importlib.metadata
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))  # Sphinx finds extensions on the path only

project = "okx_async"
author = "the okx_async authors"
release = version = importlib.metadata.version("okx-async")
show_authors = False
html_show_copyright = False
html_show_sphinx = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "code_comments",
    "exchange_codes",
    "languages",
    "names",
    "schemas",
    "search_words",
]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["locale", "_*"]
templates_path = ["_templates"]
smartquotes = False  # "cross" is typed as it is shown, and --yes is an option, not a dash

# Markdown, as GitHub reads it
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block", "colon_fence"]
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "monokai"

# The reference of names comes from the docstrings, which are in English in both languages
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False
toc_object_entries_show_parents = "hide"
default_role = "py:obj"

# Translations: one .po file a page; without line numbers, which would change with every edit of a page
language = "en"
locale_dirs = ["locale", "_theme"]  # of the pages, and of the words of the theme
gettext_compact = False
gettext_location = False
gettext_uuid = False
gettext_additional_targets: list[str] = []
translation_progress_classes = False
figure_language_filename = "{path}{root}.{language}{ext}"

html_theme = "furo"
html_title = "okx_async"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = True
html_last_updated_fmt = None
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/languages.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
# words that jieba does not know: OKX's own terms
html_search_options = {"dict": str(DOCS / "locale" / "zh_CN" / "words.txt")}
