"""Canonical JSON and its SHA-256: the only way anything in this project is named.

Source: the canonical form follows RFC 8785 (JSON Canonicalization Scheme) for the types it accepts.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel


def canonical_json(value: Any) -> bytes:
    """Serialise a value so that equal values give equal bytes.

    Keys are sorted, separators are minimal, text is UTF-8. Pydantic models are dumped in JSON mode.

    Parameters
    ----------
    value : JSON-like value, pydantic model, or a nesting of both
        Mappings must have string keys; floats must be finite.

    Raises
    ------
    ValueError
        For NaN or infinite floats, which have no canonical form.
    TypeError
        For a value that JSON cannot hold.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def fingerprint(kind: str, value: Any) -> str:
    """Name a value: SHA-256 of its kind and canonical JSON, 64 hexadecimal digits.

    Examples
    --------
    >>> fingerprint("pair", {"b": 2, "a": 1}) == fingerprint("pair", {"a": 1, "b": 2})
    True
    """
    digest = hashlib.sha256(kind.encode("utf-8"))
    digest.update(b"\0")
    digest.update(canonical_json(value))
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"canonical JSON needs string keys, got {key!r}")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"canonical JSON has no form for {value!r}")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    return value
