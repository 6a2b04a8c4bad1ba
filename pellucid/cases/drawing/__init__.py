"""How an argument is shown: as a drawing, and as text in reading order."""

from pellucid.cases.drawing.layout import Layout as Layout
from pellucid.cases.drawing.layout import arrange as arrange
from pellucid.cases.drawing.outline import outline as outline
from pellucid.cases.drawing.svg import draw as draw
from pellucid.cases.drawing.svg import svg_ids as svg_ids
