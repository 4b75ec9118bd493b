"""The numerical core of Assay: arrays and Arrow tables in, typed results out; no I/O, web, SQL or Celery."""
