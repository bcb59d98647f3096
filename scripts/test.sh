#!/usr/bin/env bash
# Installs what is missing, builds with optimisation and all internal checks, and runs every test. Arguments go to
# ctest (such as -R name).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/bootstrap.sh --test
cmake --preset dev --log-level=WARNING > /dev/null
cmake --build --preset dev --parallel "$(nproc)"
exec ctest --preset dev --parallel "$(nproc)" "$@"
