"""Examples of what the REST API answers, and their places in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DATASET = "4f7c2d1e9ab84c0fb35d86e1a2c94b70"
_AUDIT = "a01b7d3c52e94f6f8d10b3a7c4e5f692"
_ENDED = {
    "stage": "done",
    "done": 1,
    "total": 1,
    "unit": "steps",
    "images_per_s": None,
    "eta_s": None,
    "at": "",
    "at_since": None,
}

EXAMPLES: Mapping[str, Any] = {
    "DatasetOut": {
        "id": _DATASET,
        "name": "flowers",
        "source": {"uri": "/data/flowers", "kind": "folder", "label_from": "folder"},
        "status": "done",
        "fingerprint": "9b0c" * 16,
        "n_inputs": 5121,
        "n_ok": 5109,
        "n_quarantined": 9,
        "n_skipped": 3,
        "progress": _ENDED,
        "error": "",
        "created_at": 1767225600.0,
        "links": {"self": f"/v1/datasets/{_DATASET}"},
    },
    "AuditOut": {
        "id": _AUDIT,
        "kind": "audit",
        "title": "flowers",
        "dataset_ids": [_DATASET],
        "request": {"extractor": "classical", "seed": 0, "analyses": {}, "skip": [], "title": ""},
        "status": "done",
        "progress": _ENDED,
        "n_failed": 0,
        "error": "",
        "created_at": 1767225600.0,
        "ended_at": 1767225664.0,
        "links": {
            "self": f"/v1/audits/{_AUDIT}",
            "events": f"/v1/audits/{_AUDIT}/events",
            "report": f"/v1/audits/{_AUDIT}/report",
        },
    },
    "TranslationOut": {
        "fingerprint": "7e21" * 16,
        "sentence": (
            "Through a translation of classical and bundled, learnt on 2,000 pictures of flowers: 12 directions that "
            "both share, which hold 16% and 44% of what the two embed. A difference in the rest is not seen."
        ),
        "old": "classical",
        "new": "bundled",
        "n_directions": 12,
        "n_learnt": 2000,
        "n_held_out": 1000,
    },
    "Verdicts": {
        "verdicts": [
            {
                "feature": "context 3",
                "verdict": "confirmed",
                "note": "all boats were taken at sea",
                "created_at": 1767225664.0,
            }
        ]
    },
    "ImageOut": {
        "image_id": "3fa9c1d27e5b8046",
        "path": "daisy/0012.jpg",
        "dataset": "flowers",
        "status": "quarantined",
        "reason": "truncated",
        "label": "daisy",
        "split": None,
    },
    "OutlierOut": {"image_id": "3fa9c1d27e5b8046", "path": "daisy/0012.jpg", "score": 0.8125, "rank": 1},
    "NeighbourOut": {
        "image_id": "3fa9c1d27e5b8046",
        "path": "daisy/0012.jpg",
        "label": "daisy",
        "split": None,
        "dataset": "flowers",
        "distance": 0.25,
        "rank": 1,
    },
    "DnaOut": {
        "dataset": "flowers",
        "n_images": 5109,
        "extractor": "5d1e" * 16,
        "layers": {"stage2": 24, "last": 1280},
        "n_dead": 3,
    },
    "DnaComparisonOut": {
        "distance": 0.22,
        "floor": 0.046,
        "corrected": 0.215,
        "ratio": 4.78,
        "low": 0.199,
        "high": 0.23,
        "cramer": 0.031,
        "p_value": 0.001,
        "p_mean": 0.001,
        "p_max": 0.001,
        "p_value_note": "",
        "null_high": 0.07,
        "n_needed": 20,
        "plain_bins": 28.8,
        "n_buckets": 16,
        "n_bursts": [1180, 940],
        "design_effect": [1.4, 2.1],
        "weights": None,
        "layers": {"stage2": 0.25, "last": 0.2},
        "within": [
            {
                "label": "daisy",
                "n_images": [200, 180],
                "distance": 0.3,
                "floor": 0.11,
                "corrected": 0.279,
                "p_value": 0.01,
            }
        ],
    },
    "DnaWeightsOut": {
        "version": 1,
        "name": "fog",
        "extractor": "5d1e" * 16,
        "ranges": "77c0" * 16,
        "made": "learnt from pictures with and without: 2 neurons beyond chance (family-wise level 0.05)",
        "layers": {"stage2": [0.0, 0.75], "last": [0.25, 0.0]},
        "evidence": {"n_learnt": [100, 400], "n_held_out": [100, 400], "auc": 0.97, "low": 0.95, "high": 0.99},
        "fingerprint": "1f2e" * 16,
    },
    "DnaMatrixOut": {
        "audits": [_AUDIT, f"{_AUDIT}:new flowers"],
        "names": ["flowers", "new flowers"],
        "distance": [[0.0, 0.22], [0.21, 0.0]],
        "floor": [[0.0, 0.046], [0.045, 0.0]],
        "corrected": [[0.0, 0.215], [0.205, 0.0]],
    },
    "ExtractorOut": {
        "name": "classical",
        "summary": "Colour, texture and shape, computed without a network or GPU.",
        "needs": "",
    },
    "AnalysisOut": {
        "name": "outliers",
        "version": 1,
        "title": "Outliers",
        "question": "Which pictures look like nothing else?",
        "datasets": 1,
        "needs": ["neighbours"],
        "tables": ["outliers"],
        "source": "A paper, an equation or a definition.",
        "config": {"type": "object", "properties": {"k": {"type": "integer", "default": 10}}},
    },
    "Health": {"status": "ok"},
    "Readiness": {"ready": True, "checks": {"database": "ok", "blobs": "ok", "broker": "ok"}},
}
"""An answer of each kind, by the name of its schema."""

_REFERENCE = "#/components/schemas/"


def add_examples(document: dict[str, Any]) -> None:
    """Give every JSON body and answer of an OpenAPI document an example; those of files have none."""
    known = document["components"]["schemas"]
    for operation in (one for methods in document["paths"].values() for one in methods.values()):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (body.get("content", {}).get("application/json") for body in bodies):
            if media is not None and "examples" not in media:
                found = example_of(media["schema"], known)
                if found is not None:
                    media["example"] = found


def example_of(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """An example of a schema: its own, that of its name, or a list or page with one of its item; None without one."""
    if schema.get("type") == "array":
        found = example_of(schema["items"], known)
        return None if found is None else [found]
    name = str(schema.get("$ref", "")).removeprefix(_REFERENCE)
    if name in EXAMPLES:
        return EXAMPLES[name]
    named = known.get(name, {})
    if "examples" in named:
        return named["examples"][0]
    if "next_cursor" in named.get("properties", {}):
        return {"items": example_of(named["properties"]["items"], known), "next_cursor": None}
    return None
