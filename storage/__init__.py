"""Where things live: settings, blobs, artefacts, sources, SQL tables and queries."""
