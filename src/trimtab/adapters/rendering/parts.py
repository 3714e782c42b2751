"""YAML texts of many documents, each document read once however often it occurs. Called by each renderer.

Targets of an app, and revisions of one, render mostly to the same text, so most of it need not be read again.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from trimtab.adapters.rendering.request import read, relative
from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError

BREAK = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
"""Where a document begins; nothing inside of one can look like this."""
WHOLE = re.compile(r"^[%\t ]*%|^\.\.\.|\r(?!\n)|[\u0085\u2028\u2029]", re.MULTILINE)
"""What makes parts mean something else than the whole: directives, ends of documents, breaks that only YAML counts as such."""
REMEMBERED = 50_000


def of_file(root: Path, path: Path) -> list[Document]:
    """The documents of a file that `inside` has seen. InputError as `read` raises it, DocumentError for what is no YAML."""
    return documents(read(root, path), relative(root, path))


def documents(text: str, file: str) -> list[Document]:
    """The same as `read_yaml`, faster where parts of the text were read before. Values are shared: nobody may change them."""
    if WHOLE.search(text):
        return read_yaml(text, file)
    try:
        return list(_documents(text, file))
    except DocumentError:
        return read_yaml(text, file)


def _documents(text: str, file: str) -> Iterator[Document]:
    starts = [0, *(found.start() for found in BREAK.finditer(text)), len(text)]
    line = 0
    for start, end in pairwise(starts):
        part = text[start:end]
        for document in _read(part):
            if not line:
                yield replace(document, file=file)
                continue
            lines = {path: number + line for path, number in document.lines.items()}
            values = {path: _below(numbers, line) for path, numbers in document.values.items()}
            yield replace(document, file=file, line=document.line + line, lines=lines, values=values)
        line += part.count("\n")


def _below(numbers: Sequence[int], line: int) -> Sequence[int]:
    if isinstance(numbers, range):
        return range(numbers.start + line, numbers.stop + line)
    return [number + line for number in numbers]


@lru_cache(maxsize=REMEMBERED)
def _read(part: str) -> tuple[Document, ...]:
    return tuple(read_yaml(part))


def inside_of(document: Document, written: Sequence[int]) -> Document:
    """A document that stands inside of another file, with the lines of that; `written` are those of its text, empty for a whole file."""
    if not written:
        return document

    def line(number: int) -> int:
        return written[min(number, len(written)) - 1]

    lines = {path: line(number) for path, number in document.lines.items()}
    values = {path: [line(number) for number in numbers] for path, numbers in document.values.items()}
    return replace(document, line=line(document.line), lines=lines, values=values)
