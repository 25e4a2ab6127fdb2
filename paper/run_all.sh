#!/bin/sh
# Draw every figure and table whose runs exist. From anywhere: paper/run_all.sh [--help]
cd "$(dirname "$0")/.." || exit 1
if [ -z "${PYTHON:-}" ]; then
    if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; else PYTHON=python3; fi
fi
exec "$PYTHON" -m paper.run_all "$@"
