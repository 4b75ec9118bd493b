"""Downloads from the hub of models: quick to give up where there is no network, and without a line for every try."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies


@contextmanager
def hub() -> Iterator[None]:
    """Keep the hub's client from telling of each of its tries, and from trying for a minute where there is no network.

    What has been downloaded before is found all the same. Behind a proxy names need not be known here.
    """
    from huggingface_hub import constants

    log, offline = logging.getLogger("huggingface_hub"), constants.HF_HUB_OFFLINE
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        if not getproxies():
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        log.setLevel(level)
        constants.HF_HUB_OFFLINE = offline
