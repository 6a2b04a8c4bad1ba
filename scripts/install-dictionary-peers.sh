#!/bin/sh
# Installs SAELens, dictionary_learning and sparsify into an environment of their own, for the tests that read and
# write their files beside them and for the benchmark that trains beside them. Nothing of it enters ours.
# Set PELLUCID_DICTIONARY_PEERS_PYTHON to the Python of another environment that has them.
set -eu
cd "$(dirname "$0")/.."
torch=2.13.0 sae_lens=6.54.12 dictionary_learning=0.1.0 sparsify=1.3.3
place=.venv-peers/dictionaries
mark="$place/complete-$torch-$sae_lens-$dictionary_learning-$sparsify"
if [ -n "${PELLUCID_DICTIONARY_PEERS_PYTHON:-}" ] || [ -e "$mark" ]; then
    exit 0
fi
echo "Installing the dictionary peers into $place (once, for the tests that read their files beside them) ..."
rm -rf "$place"
"${PYTHON:-python3}" -m venv "$place"
pip() { "$place/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
# the same torch as ours first, so that no peer brings another
pip install -c constraints.txt "torch==$torch"
pip install "torch==$torch" "sae-lens==$sae_lens" "dictionary-learning==$dictionary_learning" \
    "eai-sparsify==$sparsify"
# a peer may bring a torchvision for another torch, which breaks transformers; none is needed
pip uninstall --yes torchvision
touch "$mark"
