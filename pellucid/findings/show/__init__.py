"""One way to show any Finding: terminal, picture, table, HTML, Markdown, JSON. Nothing here knows a kind."""

from pellucid.findings.show.figure import figure as figure
from pellucid.findings.show.markdown import markdown as markdown
from pellucid.findings.show.page import html as html
from pellucid.findings.show.plain import json as json
from pellucid.findings.show.table import table as table
from pellucid.findings.show.terminal import print_finding as print_finding
from pellucid.findings.show.terminal import text as text
