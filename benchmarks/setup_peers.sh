#!/bin/sh
# Environments of the peers, so that nothing of theirs enters ours: the dictionary peers share that of the tests
# (scripts/install-dictionary-peers.sh), the others have one each under .bench/.
# Usage: benchmarks/setup_peers.sh [sae] [hooks]      without arguments: all of them
set -eu
cd "$(dirname "$0")/.."

environment() {
    name=$1
    shift
    if [ -e ".bench/$name/complete" ]; then
        return
    fi
    python3 -m venv ".bench/$name"
    # the same torch as ours first, so that no peer brings another
    ".bench/$name/bin/pip" install --quiet -c constraints.txt torch==2.13.0
    ".bench/$name/bin/pip" install --quiet torch==2.13.0 "$@"
    # a peer may bring a torchvision for another torch, which breaks transformers; none is needed
    ".bench/$name/bin/pip" uninstall --quiet --yes torchvision 2>/dev/null || true
    touch ".bench/$name/complete"
}

for peer in ${*:-sae hooks}; do
    case $peer in
        sae) sh scripts/install-dictionary-peers.sh ;;
        hooks) environment hooks transformer-lens ;;
        *) echo "No peer $peer. There are: sae, hooks." >&2; exit 2 ;;
    esac
done
