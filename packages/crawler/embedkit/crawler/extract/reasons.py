"""Why a structure gives no terms or an entry is dropped: what the report and the manifest count."""

from __future__ import annotations

from embedkit.messages import Phrase

OTHER_PAGE = Phrase("a few terms of a page that is about something else")
SEE_ALSO_SECTION = Phrase("in a section like See also")
BARE = Phrase("terms without definitions")
REPEATED = Phrase("the same labels again and again, not terms")
NO_LIST = Phrase("outside of a list")
PROGRAM = Phrase("parts of a program, not terms")
INDEX = Phrase("an index, not terms")
OPTIONS = Phrase("options of a command, not terms")
MANUAL_LIST = Phrase("a list of a manual that nothing calls a glossary")
ARTICLE_LIST = Phrase("a list in an article that is about something else")
CODE = Phrase("names in code, not terms")
OTHER_LIST = Phrase("a list of another kind")
DISCUSSION = Phrase("a discussion")
ABOUT_ITSELF = Phrase("what a page says about itself, not terms")
CONTENTS = Phrase("a table of contents, not terms")
QUESTIONS = Phrase("questions, not terms")
LONG_HEADS = Phrase("headwords as long as sentences")
ARTICLE_HEADINGS = Phrase("headings of an article, not terms")
VALUES = Phrase("values, not definitions")
OTHER_TABLE = Phrase("a table that nothing calls a glossary")
FEW_ROWS = Phrase("fewer than three rows")
ABOUT_GLOSSARIES = Phrase("sections of a page about glossaries, not terms")
INNER = Phrase("part of another term's definition")
NO_DEFINITION = Phrase("no definition")
SAME_HEAD = Phrase("the same headword again, senses joined")
NO_TARGET = Phrase("points to a term that is not here")
