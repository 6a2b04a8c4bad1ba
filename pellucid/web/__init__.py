"""Room web: what is stored, in a browser and as one self-contained page; nothing here loads torch."""

from pellucid.web import report as report
from pellucid.web.app import create_app as create_app
from pellucid.web.server import serve as serve
