"""Where work runs, how it says how far it is, and how it goes on after an interruption."""

from pellucid.compute.executor import InProcess as InProcess
from pellucid.compute.executor import executor as executor
from pellucid.compute.jobs import Interrupted as Interrupted
from pellucid.compute.jobs import run_jobs as run_jobs
from pellucid.compute.journal import FINDINGS as FINDINGS
from pellucid.compute.journal import JSON as JSON
from pellucid.compute.journal import Codec as Codec
from pellucid.compute.journal import Journal as Journal
from pellucid.compute.journal import sync_folder as sync_folder
from pellucid.compute.journal import write_durably as write_durably
from pellucid.compute.progress import SILENT as SILENT
from pellucid.compute.progress import Progress as Progress
from pellucid.compute.progress import Task as Task
from pellucid.compute.threads import one_thread as one_thread
