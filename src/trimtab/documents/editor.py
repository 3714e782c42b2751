"""The JSON Schema of `trimtab.yaml` for editors, made from the type. Called by `tools/write_schemas.py`."""

import json

import msgspec

from trimtab.documents.pipeline import Pipeline

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_files() -> dict[str, str]:
    """Each file of `schemas/` by its name."""
    (reference,), parts = msgspec.json.schema_components([Pipeline])
    whole = {"$schema": DIALECT, "title": "trimtab.yaml", **reference, "$defs": dict(sorted(parts.items()))}
    return {"pipeline.json": json.dumps(_without_null(whole), indent=2, ensure_ascii=False) + "\n"}


def _without_null(value: object) -> object:
    """What may be left out is not written as null: `documents.decode` refuses that, so editors should too."""
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_null(item) for key, item in value.items() if not (key == "default" and item is None)}
    options = kept.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        real = [option for option in options if option != {"type": "null"}]
        rest = {key: item for key, item in kept.items() if key != "anyOf"}
        # In a value of free form, such as what a JSON answer must hold, null is a value.
        return {**real[0], **rest} if len(real) == 1 else kept
    return kept
