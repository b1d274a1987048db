#!/bin/sh
# Builds the environment of the comparison outside the repository: pyfedwatch 1.2.0 needs a pandas and a numpy older than the project's.
# Usage: sh benchmarks/pyfedwatch/setup.sh [folder of the environment, default /tmp/pyfedwatch-env]
set -eu
folder="${1:-/tmp/pyfedwatch-env}"
python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet "pyfedwatch==1.2.0" "pandas==2.1.4" "numpy==1.26.4" "setuptools<81"
"$folder/bin/python" -c "import pandas, pyfedwatch; print('pyfedwatch with pandas', pandas.__version__)"
