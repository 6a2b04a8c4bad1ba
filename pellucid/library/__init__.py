"""Papers, their claims, and whether they hold here."""

from pellucid.library.catalogue import Catalogue as Catalogue
from pellucid.library.catalogue import catalogue as catalogue
from pellucid.library.catalogue import read_catalogue as read_catalogue
from pellucid.library.paper import Author as Author
from pellucid.library.paper import Claim as Claim
from pellucid.library.paper import Code as Code
from pellucid.library.paper import Paper as Paper
from pellucid.library.shelf import Entry as Entry
from pellucid.library.shelf import shelf as shelf
from pellucid.library.shipped import shipped_findings as shipped_findings
from pellucid.library.states import NOT_BUILT as NOT_BUILT
from pellucid.library.states import STATES as STATES
from pellucid.library.states import claim_state as claim_state
from pellucid.library.states import evidence_for as evidence_for
from pellucid.library.states import paper_state as paper_state
from pellucid.library.studies.protocol import Conditions as Conditions
from pellucid.library.studies.protocol import Study as Study
from pellucid.library.study import run_study as run_study
from pellucid.library.study import studies as studies
from pellucid.library.study import study_findings as study_findings
