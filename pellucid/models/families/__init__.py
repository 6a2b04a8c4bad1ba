"""Where each family keeps its sites: one small table a family."""

from pellucid.models.families.facts import Facts as Facts
from pellucid.models.families.table import Family as Family
from pellucid.models.families.table import family_of as family_of
