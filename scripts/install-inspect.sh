#!/bin/sh
# Installs the real Inspect into an environment of its own, for the tests and the benchmark that read beside it.
# Nothing of it enters ours. Set PELLUCID_INSPECT_PYTHON to the Python of another environment that has it.
set -eu
cd "$(dirname "$0")/.."
version=0.3.285
place=.venv-peers/inspect
if [ -n "${PELLUCID_INSPECT_PYTHON:-}" ] || [ -e "$place/complete-$version" ]; then
    exit 0
fi
echo "Installing Inspect $version into $place (once, for the tests that read logs beside it) ..."
"${PYTHON:-python3}" -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check "inspect_ai==$version"
touch "$place/complete-$version"
