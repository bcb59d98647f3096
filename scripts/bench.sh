#!/usr/bin/env bash
# Installs what is missing, builds Release and prints tables of measurements as Markdown.
#
#   scripts/bench.sh --speed     one training step of five nets against hand-written Eigen and the closure design, an
#                                operation of an irregular expression, recording and compiling a node (two minutes)
#
# With arguments after the mode, only its first program runs, with those (bench/speed_bench.cpp).
set -euo pipefail

# The programs of each mode, in the order in which they run.
case "${1:-}" in
  --speed) programs=(speed_bench scalar_bench compile_bench) ;;
  *)
    sed -n 's/^#   //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
shift
if (($# > 0)); then programs=("${programs[0]}"); fi

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/bootstrap.sh" >&2
(
  cd "$root"
  cmake --preset release --log-level=WARNING > /dev/null
  cmake --build --preset release --target "${programs[@]}" --parallel "$(nproc)" >&2
)
for program in "${programs[@]}"; do
  "$root/build/release/bench/$program" "$@"
  echo
done
