"""SQL about verdicts: what people say of the features that a report suspects."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import select

from storage.database import now
from storage.records import Verdict
from storage.tables import verdicts


def keep(tx: sa.Connection, dataset_id: str, extractor: str, feature: str, said: tuple[str, str]) -> None:
    """Keep a verdict and its note, in place of an earlier one of the same feature."""
    withdraw(tx, dataset_id, extractor, feature)
    verdict, note = said
    row = {"dataset_id": dataset_id, "extractor": extractor, "feature": feature, "verdict": verdict, "note": note}
    tx.execute(sa.insert(verdicts).values(**row, created_at=now()))


def withdraw(tx: sa.Connection, dataset_id: str, extractor: str, feature: str) -> bool:
    """Forget the verdict of a feature; says whether there was one."""
    columns = verdicts.c
    mine = (columns.dataset_id == dataset_id, columns.extractor == extractor, columns.feature == feature)
    return bool(tx.execute(sa.delete(verdicts).where(*mine)).rowcount)


def of_dataset(tx: sa.Connection, dataset_id: str, extractor: str) -> Sequence[Verdict]:
    """The verdicts of a dataset under an extractor, by feature."""
    columns = verdicts.c
    mine = select(verdicts).where(columns.dataset_id == dataset_id, columns.extractor == extractor)
    rows = tx.execute(mine.order_by(columns.feature))
    return [Verdict(feature=row.feature, verdict=row.verdict, note=row.note, created_at=row.created_at) for row in rows]
