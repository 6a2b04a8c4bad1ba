"""The same as JSON for programs, one file a room; described at ``/api/openapi.json``."""

from pellucid.web.api.cases import router as cases
from pellucid.web.api.findings import router as findings
from pellucid.web.api.library import router as library
from pellucid.web.api.models import router as models
from pellucid.web.api.overview import router as overview

__all__ = ["cases", "findings", "library", "models", "overview"]
