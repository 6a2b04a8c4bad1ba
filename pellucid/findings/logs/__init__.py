"""Logs of Inspect evaluations, read directly and in full, as evidence."""

from pellucid.findings.logs.acceptance import Acceptance as Acceptance
from pellucid.findings.logs.acceptance import Allowance as Allowance
from pellucid.findings.logs.acceptance import acceptance as acceptance
from pellucid.findings.logs.archive import Limits as Limits
from pellucid.findings.logs.comparison import compare_logs as compare_logs
from pellucid.findings.logs.header import LogHeader as LogHeader
from pellucid.findings.logs.reading import Log as Log
from pellucid.findings.logs.reading import Logs as Logs
from pellucid.findings.logs.reading import read_header as read_header
from pellucid.findings.logs.reading import read_log as read_log
from pellucid.findings.logs.reading import read_logs as read_logs
from pellucid.findings.logs.reading import read_summaries as read_summaries
from pellucid.findings.logs.reading import samples as samples
from pellucid.findings.logs.report import Reading as Reading
from pellucid.findings.logs.report import log_finding as log_finding
from pellucid.findings.logs.report import log_findings as log_findings
from pellucid.findings.logs.responses import ResponseTable as ResponseTable
from pellucid.findings.logs.responses import response_table as response_table
from pellucid.findings.logs.sample import Sample as Sample
from pellucid.findings.logs.sample import Score as Score
from pellucid.findings.logs.sample import score_number as score_number
from pellucid.findings.logs.scores import item_scores as item_scores
from pellucid.findings.logs.standard_error import standard_error as standard_error
