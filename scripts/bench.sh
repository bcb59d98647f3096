#!/usr/bin/env bash
# Installs what is missing, builds Release and measures. Tables are printed as Markdown.
#
#   scripts/bench.sh             the comparison: all ways to run a net, the closure design, hand-written Eigen, by
#                                width, batch and nodes recorded, and more; writes comparison.json and comparison.html, a page
#                                with plots, into build/release/bench (up to ten minutes; with --quick half a minute,
#                                with --only CHART one of: nets, width, batch, nodes, equation, run, tiny, scalar,
#                                epoch)
#   scripts/bench.sh --speed     one training step of five nets against hand-written Eigen and the closure design; the
#                                same nets with 1 to 8 samples, recurrent and convolutional ones and a small one with
#                                Adam, beside Eigen and LibTorch; an operation of irregular expressions, recording and
#                                compiling a node, starting an instruction and reading a row (five minutes)
#   scripts/bench.sh --python    training steps from Python: closures as the notebooks write them, the same loop with
#                                tapeloom.engine, the same loss compiled, and PyTorch where python3-torch is installed
#                                (a minute)
#
# LibTorch and ADOL-C take part where scripts/bootstrap.sh --peers has installed them. With arguments after the mode,
# only its first program runs, with those (bench/speed_bench.cpp, bench/comparison.cpp).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# The programs of each mode, in the order in which they run.
case "${1:-}" in
  "" | --quick | --only)
    programs=(comparison)
    results="$root/build/release/bench/comparison"
    set -- --json "$results.json" --html "$results.html" "$@"
    ;;
  --speed)
    programs=(speed_bench layers_bench scalar_bench program_bench branches_bench compile_bench instruction_costs)
    shift
    ;;
  --python)
    shift
    "$root/scripts/bootstrap.sh" --python >&2
    cd "$root"
    cmake --preset release -DTAPELOOM_BUILD_PYTHON=ON --log-level=WARNING > /dev/null
    cmake --build --preset release --target tapeloom_python --parallel "$(nproc)" >&2
    PYTHONPATH=build/release/python/package exec /usr/bin/python3 bench/python/comparison.py "$@"
    ;;
  *)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
if (($# > 0)); then programs=("${programs[0]}"); fi

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
if [[ -n "${results:-}" ]]; then echo "written: $results.json and $results.html"; fi
