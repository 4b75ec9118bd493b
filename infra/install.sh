#!/usr/bin/env bash
# Make or update the virtual environment: infra/install.sh VENV PYTHON [dev]
# pip, not a faster resolver: on machines that keep a CPU build of torch in a local folder only pip finds it.
set -euo pipefail
venv=$1 python=$2 extra=${3:-}
cd "$(dirname "$0")/.."

command -v "$python" >/dev/null || python=python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Assay needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11." >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt)
# torch first and by its exact version: what is asked for later finds it there and pulls no other build.
"${pip[@]}" "torch==$(sed -n 's/^torch==//p' constraints.txt)"
if [ -n "$extra" ]; then
    "${pip[@]}" --editable ".[$extra]"
    touch "$venv/.installed" "$venv/.installed-dev"
else
    "${pip[@]}" --editable .
    touch "$venv/.installed"
fi
