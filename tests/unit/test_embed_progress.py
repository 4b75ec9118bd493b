"""What the embed step says of itself before the first picture."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from workers.steps import embed

PARAMS = {
    "scan": "s", "source": {}, "extractor": "bundled", "extractor_fingerprint": "f",
    "shard": {"start": 2, "stop": 7, "fingerprint": "x"},
}  # fmt: skip


def test_the_number_of_pictures_is_told_before_the_extractor_is_loaded() -> None:
    told: list[tuple[int, int]] = []

    def load(*_: Any) -> Any:
        told.append((-1, -1))
        raise RuntimeError("the extractor loads")

    runtime = SimpleNamespace(
        artefacts=SimpleNamespace(find_sound=lambda *_: None),
        usable=lambda _: pa.table({"row": list(range(9))}),
        extractor_of=load,
    )
    context: Any = SimpleNamespace(
        runtime=runtime,
        step=SimpleNamespace(params=PARAMS),
        progress=lambda done, total: told.append((done, total)),
    )
    with pytest.raises(RuntimeError, match="the extractor loads"):
        embed.run(context)
    assert told == [(0, 5), (-1, -1)]
