"""The nearest-neighbour index of an embedding set as bytes: written here, checked here, and never a foreign file.

faiss loads a damaged file without a word, so the bytes carry their own SHA-256 beside that of the artefact, and nothing
that does not start with this module's mark reaches faiss.

Source: M. Douze et al., "The Faiss library", arXiv:2401.08281 (serialisation); the mark and digest are this project's.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from audit.maths.graph import EXACT_LIMIT, build_graph, search_graph, tune
from audit.maths.neighbours import search
from audit.model import Neighbours
from storage.errors import ArtefactCorruptError

MARK = b"ASSAYIX1"
MEASURED_K = 10
"""Neighbours for which the recall of an approximate index is measured."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Index:
    """Vectors that can be searched, exactly or through a graph.

    Attributes
    ----------
    vectors : float32 (n, d)
    recall : float, in [0, 1]
        1 for an exact index; measured at writing for a graph.
    """

    vectors: Float32
    recall: float
    graph: Any = None

    def search(self, queries: Float32, k: int, *, threads: int = 1) -> Neighbours:
        """The k vectors nearest to every query.

        Parameters
        ----------
        queries : float32 (m, d)
        k : int, at least 1

        Returns
        -------
        Neighbours
            With m rows; −1 and +inf where there are fewer than k.

        Raises
        ------
        ValueError
            If k < 1 or the queries have another dimension.
        """
        if self.graph is None or k > EXACT_LIMIT // 2:
            return search(queries, self.vectors, k, threads=threads)
        return search_graph(self.graph, queries, self.vectors, k)


def write_index(vectors: Float32, *, exact_limit: int = EXACT_LIMIT) -> bytes:
    """An index of the vectors: exact up to ``exact_limit`` of them, a graph with its measured recall above.

    Layout: mark, SHA-256 of all that follows (32 bytes), length of the header (uint32, little-endian), header in JSON,
    payload. The payload is the float32 matrix, row-major, little-endian, or faiss' serialised graph.

    Parameters
    ----------
    vectors : float32 (n, d)

    Returns
    -------
    bytes
        The same for the same vectors.
    """
    recall = 1.0
    if len(vectors) <= exact_limit:
        kind, payload = "exact", np.ascontiguousarray(vectors, dtype="<f4").tobytes()
    else:
        graph = build_graph(vectors)
        recall = tune(graph, vectors, MEASURED_K, threads=1)
        kind, payload = "graph", faiss.serialize_index(graph).tobytes()
    described = {"kind": kind, "shape": [int(size) for size in vectors.shape], "recall": recall}
    header = json.dumps(described, sort_keys=True).encode("ascii")
    body = b"".join([struct.pack("<I", len(header)), header, payload])
    return b"".join([MARK, hashlib.sha256(body).digest(), body])


def read_index(data: bytes) -> Index:
    """The index written by :func:`write_index`.

    Raises
    ------
    ArtefactCorruptError
        If the bytes are not such an index, or one bit of them changed.
    """
    start = len(MARK) + hashlib.sha256().digest_size
    if data[: len(MARK)] != MARK or len(data) < start + 4:
        raise ArtefactCorruptError("index", "", "is not an index of this program; embed the dataset again")
    body = memoryview(data)[start:]
    if hashlib.sha256(body).digest() != data[len(MARK) : start]:
        raise ArtefactCorruptError("index", "", "does not have the bytes that were written; embed the dataset again")
    end = 4 + struct.unpack("<I", body[:4])[0]
    header = json.loads(bytes(body[4:end]))
    n, d = header["shape"]
    if header["kind"] == "exact":
        return Index(np.frombuffer(body[end:], dtype="<f4").reshape(n, d), header["recall"])
    graph: Any = faiss.deserialize_index(np.frombuffer(body[end:], dtype=np.uint8))
    stored: Any = faiss.downcast_index(graph.storage)
    return Index(faiss.rev_swig_ptr(stored.get_xb(), n * d).reshape(n, d), header["recall"], graph)
