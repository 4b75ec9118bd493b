"""One file per analysis; see :mod:`audit.analyses.base`."""
