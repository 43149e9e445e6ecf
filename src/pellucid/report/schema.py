"""The JSON Schema of every result, made from the annotations of the results themselves.

``python -m pellucid.report.schema`` writes ``schema.json``; a test holds the two together. It
describes what ``to_json`` gives, what ``save`` writes, and the document inside a page; they differ
only in how a tensor is written.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from jaxtyping import AbstractArray
from torch import Tensor

from pellucid import options
from pellucid.results.registry import own_types
from pellucid.results.result import SCHEMA, Result

PLACE = Path(__file__).with_name("schema.json")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE = {str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer"},
          float: {"$ref": "#/$defs/number"}, None: {"type": "null"}, type(None): {"type": "null"},
          Any: {}}  # fmt: skip
NESTED = {"type": ["array", "number", "boolean", "null"], "items": {"$ref": "#/$defs/nested"}}
NUMBER = {
    "description": "A number; what is not finite is written as its name.",
    "anyOf": [
        {"type": "number"},
        {
            "type": "object",
            "properties": {"number": {"enum": ["nan", "inf", "-inf"]}},
            "required": ["number"],
            "additionalProperties": False,
        },
    ],
}
SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}}
TENSOR = {
    "description": "Nested lists (to_json), a name in the tensors beside it (save), or base64 of "
    "little-endian values in row-major order (a page).",
    "oneOf": [
        {
            "required": ["tensor", "dtype"],
            "properties": {"tensor": {"$ref": "#/$defs/nested"}, "shape": SHAPE},
        },
        {"required": ["stored"], "properties": {"stored": {"type": "string"}}},
        {
            "required": ["base64", "dtype", "shape"],
            "properties": {
                "base64": {"type": "string", "contentEncoding": "base64"},
                "dtype": {"enum": ["float32", "float64", "int32", "uint8"]},
                "shape": SHAPE,
            },
        },
    ],
}
_QUANTITY = {
    "type": "object",
    "properties": {
        "ref": {"type": "string", "description": "Path of the value, from the result."},
        "value": {"anyOf": [{"$ref": "#/$defs/number"}, {"type": ["string", "boolean", "null"]}]},
        "text": {"type": "string"},
    },
    "required": ["ref", "value", "text"],
    "additionalProperties": False,
}
SECTION = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "sentences": {
            "type": "array",
            "items": {
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/quantity"}]},
            },
        },
    },
    "required": ["title", "sentences"],
    "additionalProperties": False,
}

BESIDE_FIELDS = {
    "derived": {"type": "object"},
    "story": {"type": "array", "items": {"$ref": "#/$defs/section"}},
}


def schema() -> dict[str, Any]:
    """The schema of every kind of result that there is."""
    import pellucid

    for public in (*pellucid.__all__, "zoo"):
        getattr(pellucid, public)  # kinds are known once they are imported
    own = own_types()
    results = [name for name, kind in own.items() if issubclass(kind, Result)]
    return {
        "$schema": DIALECT,
        "title": "A result of Pellucid",
        "type": "object",
        "properties": {
            "schema": {"const": SCHEMA},
            "type": {"enum": results},
            "fields": {"type": "object"},
            "checksum": {"description": "Of a file: SHA-256 of the rest.", "type": "string"},
            "tensors": {"description": "Of a folder: SHA-256 of its tensors.", "type": "string"},
            **BESIDE_FIELDS,
            "parts": {
                "description": "For each result inside that can be shown by itself.",
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": BESIDE_FIELDS,
                    "required": list(BESIDE_FIELDS),
                    "additionalProperties": False,
                },
            },
        },
        "required": ["schema", "type", "fields"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}},
                "then": {"properties": {"fields": {"$ref": f"#/$defs/{name}/properties/fields"}}},
            }
            for name in results
        ],
        "$defs": {
            "nested": NESTED,
            "number": NUMBER,
            "tensor": TENSOR,
            "quantity": _QUANTITY,
            "section": SECTION,
            "choices": _choices(),
            **{name: _of_kind(name, kind) for name, kind in own.items()},
        },
    }


def _choices() -> dict[str, Any]:
    """What can be chosen, by the name of its type in ``options.py``; for whoever shows choices."""
    named = {name: of_hint(x) for name, x in vars(options).items() if get_origin(x) is Literal}
    return {
        "type": "object",
        "properties": named,
        "required": list(named),
        "additionalProperties": False,
    }


def _of_kind(name: str, kind: type) -> dict[str, Any]:
    fields = {field.name: of_hint(field.type) for field in dataclasses.fields(kind)}
    return {
        "type": "object",
        "properties": {
            "type": {"const": name},
            "fields": {
                "type": "object",
                "properties": fields,
                "required": list(fields),
                "additionalProperties": False,
            },
        },
        "required": ["type", "fields"],
        "additionalProperties": False,
    }


def of_hint(hint: Any) -> dict[str, Any]:
    """What a value of this annotation looks like in JSON.

    **Raises** ``TypeError`` for an annotation that no result has had yet.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if origin in (Union, UnionType):
        return {"anyOf": [of_hint(part) for part in parts]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is tuple and parts[-1:] != (...,):
        return {"type": "array", "prefixItems": [of_hint(p) for p in parts], "items": False,
                "minItems": len(parts)}  # fmt: skip
    if origin in (tuple, list, Sequence):
        return {"type": "array", "items": of_hint(parts[0])}
    if origin in (dict, Mapping):
        inside = {"type": "object", "additionalProperties": of_hint(parts[1])}
        return {"type": "object", "properties": {"mapping": inside}, "required": ["mapping"],
                "additionalProperties": False}  # fmt: skip
    if isinstance(hint, type) and issubclass(hint, AbstractArray | Tensor):
        return {"$ref": "#/$defs/tensor"}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    raise TypeError(f"{hint!r}: say in report/schema.py how it is written as JSON")


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text())
