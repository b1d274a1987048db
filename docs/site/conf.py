"""Settings of Sphinx for `make docs`. Everything that a page loads comes with the theme or from `static/`."""

project = "Rotation Warehouse"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = [".doctrees"]
myst_heading_anchors = 4
highlight_language = "text"
html_theme = "furo"
html_title = "Rotation Warehouse"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["lineage.js"]
html_use_index = False
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
templates_path: list[str] = []
