#!/bin/sh
# Builds the environment of the comparison outside the repository.
# Usage: sh benchmarks/cme_fedwatch/setup.sh [folder of the environment, default /tmp/cme-fedwatch-env]
set -eu
folder="${1:-/tmp/cme-fedwatch-env}"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet "cme-fedwatch==0.2.1"
"$folder/bin/python" -c "import cme_fedwatch; print('cme-fedwatch', cme_fedwatch.__version__)"
