"""The pages of the service: audits with their progress and a form to submit one; what was audited, compared."""

from api.pages.compare import router as compare
from api.pages.routes import router as home

__all__ = ["compare", "home"]
