"""Files are whole or absent."""

from pathlib import Path

import pytest

from embedkit.errors import UserError
from embedkit.files import atomic, read_bytes, refuse_existing, require_writable


def test_an_error_inside_leaves_neither_file_nor_part(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with pytest.raises(KeyboardInterrupt), atomic(target) as handle:
        handle.write("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_keeps_the_earlier_file(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("earlier", encoding="utf-8")
    with pytest.raises(ValueError, match="no"), atomic(target) as handle:
        handle.write("half")
        raise ValueError("no")
    assert target.read_text(encoding="utf-8") == "earlier"


def test_existing_is_refused_without_force(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.touch()
    with pytest.raises(UserError, match="--force"):
        refuse_existing(target, force=False)
    refuse_existing(target, force=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write here"):
        require_writable(tmp_path / "file" / "below")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.csv: there is no such file"):
        read_bytes(tmp_path / "absent.csv")
