"""Reports of a run: terminal, progress, JSON, JUnit and one HTML page."""

from chautari import language
from chautari.node import translation

# Texts that nodes have as well are in the language of the command here.
translation.use_functions(language.translate, language.plural_form)
