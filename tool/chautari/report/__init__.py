"""Reports of a run: terminal, progress, JSON, JUnit and one HTML page."""

from chautari import language
from chautari.node import translation
from chautari.report import role_messages

# Texts that nodes have as well are in the language of the command here.
translation.use_functions(
    language.translate, language.plural_form, role_messages.translate_node_detail
)
