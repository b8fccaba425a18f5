#!/bin/sh
# Installs Meshplan from the checkout that this action came with, apart from everything else on the runner.
set -eu
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo '::error title=mesh::the runner has no Python 3.11 or later: put `actions/setup-python` before this step'
  exit 1
fi
venv="$RUNNER_TEMP/meshplan"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$1"
echo "mesh=$venv/bin/mesh" >>"$GITHUB_OUTPUT"
