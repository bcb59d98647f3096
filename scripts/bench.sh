#!/usr/bin/env bash
# Installs what is missing, builds Release and prints tables of measurements as Markdown.
#
#   scripts/bench.sh --speed     one training step of five nets, against Eigen by hand and the closure design
#
# Arguments after the mode go to the program.
set -euo pipefail

usage() {
  sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# The programs of each mode, in the order in which they run.
case "${1:-}" in
  --speed) programs=(speed_bench) ;;
  *) usage ;;
esac
shift

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/bootstrap.sh" >&2
(
  cd "$root"
  cmake --preset release --log-level=WARNING > /dev/null
  cmake --build --preset release --target "${programs[@]}" --parallel "$(nproc)" >&2
)
for program in "${programs[@]}"; do
  "$root/build/release/bench/$program" "$@"
done
