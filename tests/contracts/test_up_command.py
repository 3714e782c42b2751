"""What `up` says of files that it is given."""

from pathlib import Path

import pytest

from trimtab.errors import InputError
from trimtab.faces.cli.machine import images


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"caf\xe9: [run]", "not UTF-8 text. Save the file as UTF-8"),
        (b"nginx: run", "Write one line for each image"),
        (b"nginx: [", "not YAML"),
    ],
)
def test_a_file_of_images_that_cannot_be_read_is_the_users_to_correct(tmp_path: Path, written: bytes, said: str) -> None:
    file = tmp_path / "images.yaml"
    file.write_bytes(written)
    with pytest.raises(InputError, match=said) as raised:
        images(file)
    assert str(raised.value).startswith(str(file))


def test_a_file_of_images_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Name another file with --images"):
        images(tmp_path / "images.yaml")
