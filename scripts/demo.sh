#!/usr/bin/env bash
# Installs what is missing, builds Release and trains the classifier of handwritten digits. Arguments go to the program
# (examples/digits: another data file).
set -euo pipefail

# Arguments may name files relative to where the user is, so only the build happens in the project's directory.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/bootstrap.sh"
(
  cd "$root"
  cmake --preset release --log-level=WARNING > /dev/null
  cmake --build --preset release --target digits --parallel "$(nproc)"
)
exec "$root/build/release/examples/digits" "$@"
