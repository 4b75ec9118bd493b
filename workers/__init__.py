"""The Celery app, the engine that owns the steps, and the steps themselves."""
