"""Settings of Sphinx for the documentation site. `build.py` collects the pages."""

project = "Chautari"
copyright = "Chautari contributors"
html_title = "Chautari"

extensions = ["myst_parser"]
# Anchors are those that GitHub, GitLab and Forgejo make, so that links work there too.
myst_heading_anchors = 4
nitpicky = True
# Commands in pages are pasted: two hyphens must stay two hyphens.
smartquotes = False

html_theme = "furo"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_permalinks_icon = "#"
html_theme_options = {"navigation_with_keys": False}
# The texts of the pages are searched in the browser; no server is asked.
html_search_language = "en"
pygments_style = "default"
pygments_dark_style = "monokai"
