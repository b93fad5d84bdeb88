"""Files that are no glossary and no page: their kind by name, and what makes one of them."""

from __future__ import annotations

from embedkit.errors import UserError
from embedkit.messages import Phrase

_OFFICE = (Phrase("a word processor's file"), Phrase("save it as a web page (.html), then --from-file"))
_SLIDES = (Phrase("slides"), Phrase("save its text as .txt or .md, then --from-file"))
_SHEET = (Phrase("an old spreadsheet"), Phrase("save it as .csv or .xlsx, then --from-file"))
_PACKED = (Phrase("a packed file"), Phrase("unpack it and name the folder: --from-file FOLDER"))
_PICTURE = (Phrase("a picture"), Phrase("only text is read"))
_SOUND = (Phrase("sound or video"), Phrase("only text is read"))
_TRANSLATIONS = (
    Phrase("a translation file: it pairs languages, not terms and definitions"),
    Phrase("export a table with a definition column, then embedkit compose --input"),
)
_DATA = (Phrase("a data file"), Phrase("export it as .csv with the columns term and definition"))
_CODE = (Phrase("program text"), Phrase("crawl the documentation that is made of it"))
_WEIGHTS = (Phrase("weights of a model"), Phrase("embedkit search --model reads a model's folder"))
_PDF = (Phrase("a PDF file"), Phrase("pdftotext -layout FILE FILE.txt, then --from-file FILE.txt"))
_TEX = (Phrase("a LaTeX file"), Phrase("pandoc FILE -o FILE.html, then --from-file FILE.html"))
_NOTEBOOK = (Phrase("a notebook"), Phrase("jupyter nbconvert --to html FILE, then --from-file"))
_OBO = (Phrase("an OBO ontology"), Phrase("convert it to .owl or .ttl (robot convert), then --from-file"))
_SETTINGS = (Phrase("a settings file"), Phrase("embedkit crawl --config reads its own, a JSON file"))
_MAIL = (Phrase("a mailbox"), Phrase("save the one message as .html, then --from-file"))
_DUMP = (Phrase("a dump of a wiki"), Phrase("embedkit crawl --from-dump reads Wikimedia Enterprise's"))
_PROGRAM = (Phrase("a program"), Phrase("only text is read"))
_SUFFIXES = {
    name: told
    for names, told in (
        (".pdf", _PDF),
        (".doc .docx .odt .rtf .pages .wpd .hwp .hwpx", _OFFICE),
        (".ppt .pptx .odp .key", _SLIDES),
        (".xls .xlsm .xlsb .numbers", _SHEET),
        (".gz .bz2 .xz .zst .7z .rar .tar .tgz .lz4", _PACKED),
        (".png .jpg .jpeg .gif .webp .bmp .tif .tiff .svg .ico .heic", _PICTURE),
        (".mp3 .mp4 .wav .ogg .webm .mov .avi .mkv .flac .m4a", _SOUND),
        (".po .pot .mo .tmx .xlf .xliff .sdlxliff .sdltb .tbk .resx .strings .arb", _TRANSLATIONS),
        (
            ".parquet .feather .arrow .sqlite .sqlite3 .db .mdb .accdb .pkl .pickle .npy .npz .h5 .hdf5 .sav .dta",
            _DATA,
        ),
        (".py .js .ts .java .c .h .cpp .go .rs .rb .php .sh .sql .css .ipynbx", _CODE),
        (".safetensors .gguf .bin .pt .pth .onnx .ckpt", _WEIGHTS),
        (".tex .bib .sty .gls", _TEX),
        (".ipynb", _NOTEBOOK),
        (".obo", _OBO),
        (".toml .ini .cfg .conf .env .properties", _SETTINGS),
        (".mbox .pst .msg", _MAIL),
        (".zim", _DUMP),
        (".exe .dll .so .dmg .apk .deb .rpm .jar .class .wasm", _PROGRAM),
    )
    for name in names.split()
}
_MAGIC = {
    b"%PDF-": _PDF, b"\x89PNG": _PICTURE, b"GIF8": _PICTURE, b"\xff\xd8\xff": _PICTURE, b"RIFF": _PICTURE,
    b"\x1f\x8b": _PACKED, b"BZh": _PACKED, b"\xfd7zXZ": _PACKED, b"7z\xbc\xaf": _PACKED, b"Rar!": _PACKED,
    b"(\xb5/\xfd": _PACKED, b"\x7fELF": _PROGRAM, b"MZ\x90": _PROGRAM, b"\xd0\xcf\x11\xe0": _SHEET,
    b"{\\rtf": _OFFICE, b"SQLite format 3": _DATA, b"PAR1": _DATA, b"\x93NUMPY": _DATA, b"ID3": _SOUND,
    b"\xde\x12\x04\x95": _TRANSLATIONS,
}  # fmt: skip
_ROOTS = {
    "tmx": _TRANSLATIONS,
    "xliff": _TRANSLATIONS,
    "svg": _PICTURE,
    "mediawiki": _DUMP,
    "plist": _SETTINGS,
}
_SHEET_SUFFIXES = (".doc", ".ppt")


def refuse(body: bytes, *, place: str, suffix: str, root: str = "") -> None:
    """Raise `UserError` for a file of a kind that holds no glossary, by its first bytes, first element or name."""
    told = next((told for magic, told in _MAGIC.items() if body.startswith(magic)), None)
    if told is _SHEET and suffix in _SHEET_SUFFIXES:
        told = _SUFFIXES[suffix]
    told = told or _ROOTS.get(root) or _SUFFIXES.get(suffix)
    if (
        told is None
        and b"\x00" in body[:1000]
        and not body.startswith((b"\xff\xfe", b"\xfe\xff", b"PK\x03\x04"))
    ):
        # UTF-16 without a mark has a zero in every second byte, other binary data has them anywhere
        zeros = [i % 2 for i, byte in enumerate(body[:1000]) if byte == 0]
        told = _DATA if len(zeros) * 4 < len(body[:1000]) or len(set(zeros)) > 1 else None
    if told is not None:
        what, hint = told
        raise UserError("{what}, not a glossary", place=place, hint=hint, what=what)
