"""The pages of the service: a list of audits with their progress, and a form to submit one."""

from api.pages.routes import router

__all__ = ["router"]
