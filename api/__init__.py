"""The REST API, the pages and the command line."""
