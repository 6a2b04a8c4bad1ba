#!/bin/sh
# Installs Ray into an environment of its own, for the test that trains a suite on a cluster of one machine. It sees
# the packages of our environment, whose Python must be the one given; nothing of it enters ours.
# Set PELLUCID_RAY_PYTHON to the Python of another environment that has both.
set -eu
cd "$(dirname "$0")/.."
ray=2.56.0
place=.venv-peers/ray
mark="$place/complete-$ray"
if [ -n "${PELLUCID_RAY_PYTHON:-}" ] || [ -e "$mark" ]; then
    exit 0
fi
ours="$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
rm -rf "$place"
.venv/bin/python -m venv "$place"
"$place/bin/python" -m pip --quiet --disable-pip-version-check install "ray==$ray"
theirs="$("$place/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
printf '%s\n%s\n' "$ours" "$PWD" >"$theirs/ours.pth"
touch "$mark"
