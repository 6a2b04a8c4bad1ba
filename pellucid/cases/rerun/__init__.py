"""Running again what is stale: the plan, the run, the comparison of old and new, and the record of runs."""

from pellucid.cases.rerun.comparison import RERUN_KIND as RERUN_KIND
from pellucid.cases.rerun.comparison import compare as compare
from pellucid.cases.rerun.matching import again as again
from pellucid.cases.rerun.plan import Known as Known
from pellucid.cases.rerun.plan import Plan as Plan
from pellucid.cases.rerun.plan import Refusal as Refusal
from pellucid.cases.rerun.plan import Step as Step
from pellucid.cases.rerun.plan import plan as plan
from pellucid.cases.rerun.record import append_record as append_record
from pellucid.cases.rerun.record import verify_record as verify_record
from pellucid.cases.rerun.running import Outcome as Outcome
from pellucid.cases.rerun.running import Rerun as Rerun
from pellucid.cases.rerun.running import rebound as rebound
from pellucid.cases.rerun.running import rerun as rerun
