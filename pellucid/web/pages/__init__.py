"""Pages for people, one file a room."""

from pellucid.web.pages.cases import router as cases
from pellucid.web.pages.dictionaries import router as dictionaries
from pellucid.web.pages.findings import router as findings
from pellucid.web.pages.library import router as library
from pellucid.web.pages.models import router as models

__all__ = ["cases", "dictionaries", "findings", "library", "models"]
