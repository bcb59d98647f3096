#!/usr/bin/env bash
# The gates against lost performance. Installs what is missing, builds Release and checks; any failure exits with 1.
#
#   scripts/gates.sh                 all three
#   scripts/gates.sh --structure     instructions of a program, instructions it dispatches a step, bytes, allocations:
#                                    none may grow (bench/gates/structure.json)
#   scripts/gates.sh --instructions  what the processor executes a step, counted by valgrind: at most 1% more in one
#                                    workload, 0.3% in all (bench/gates/instructions.json); says INCONCLUSIVE for a
#                                    compiler, C library or valgrind that nothing is committed for
#   scripts/gates.sh --ratio         how many times as fast as the closure design: at least as promised
#                                    (bench/gates/promises.json); takes four minutes, on a machine with nothing to do
#   scripts/gates.sh --accept        writes the present structure and instructions, of Release and dev builds, into the
#                                    committed files
#   scripts/gates.sh --promises      the table of promises that README shows
#   scripts/gates.sh --self-test     whether the gates catch 10% more work and nothing else (ten minutes)
#
# --structure, --instructions and --ratio take --workload PART_OF_NAME. The first two are among the tests; see
# scripts/compare.sh for a comparison with another revision.
set -euo pipefail

usage() { sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
figures="$root/bench/gates"
mode="${1:-all}"
if (($# > 0)); then shift; fi
case "$mode" in
  --help | -h) usage; exit 0 ;;
  all | --structure | --instructions | --ratio | --accept | --promises | --self-test) ;;
  *) usage >&2; exit 2 ;;
esac

# build PRESET: leaves the programs' directory in $programs.
build() {
  (
    cd "$root"
    cmake --preset "$1" --log-level=WARNING > /dev/null
    cmake --build --preset "$1" --target gates gate_measure gate_measure_slowed --parallel "$(nproc)" >&2
  )
  programs="$root/build/$1/bench/gates"
}

structure() { "$programs/gates" structure --measure "$programs/gate_measure" --figures "$figures/structure.json" "$@"; }
instructions() {
  "$programs/gates" instructions --measure "$programs/gate_measure" --figures "$figures/instructions.json" \
    --scratch "$programs/scratch" "$@"
}
ratio() { "$programs/gates" ratio --figures "$figures/promises.json" "$@"; }

self_test() {
  cmake -DGATES="$programs/gates" -DMEASURE="$programs/gate_measure" -DSLOWED="$programs/gate_measure_slowed" \
    -DSCRATCH="$programs/scratch/self_test" -P "$figures/self_test.cmake"
  echo "One build against itself:"
  local output
  output="$("$programs/gates" compare --measure "$programs/gate_measure" --other "$programs/gate_measure")"
  echo "$output"
  if grep -qE '^(SLOWER|faster)' <<< "$output"; then echo "self-test: FAILED, it is even" && exit 1; fi
  echo "10% more work:"
  if "$programs/gates" compare --measure "$programs/gate_measure_slowed" --other "$programs/gate_measure"; then
    echo "self-test: FAILED, that is slower" && exit 1
  fi
  echo "The last commit, and what is here with 10% more work:"
  local code=0
  "$root/scripts/compare.sh" --this=-DTAPELOOM_BENCH_EXTRA_WORK=10 HEAD || code=$?
  if ((code != 1)); then echo "self-test: FAILED, that is slower" && exit 1; fi
  echo "self-test: passed"
}

"$root/scripts/bootstrap.sh" >&2
build release
case "$mode" in
  --structure) structure "$@" ;;
  --instructions) instructions "$@" ;;
  --ratio) ratio "$@" ;;
  --promises) "$programs/gates" promises --figures "$figures/promises.json" ;;
  --self-test) self_test ;;
  --accept)
    structure --accept
    instructions --accept
    build dev
    instructions --accept
    ;;
  all)
    worst=0
    for gate in structure instructions ratio; do
      code=0
      "$gate" "$@" || code=$?
      if ((code != 0 && worst != 1)); then worst=$code; fi
    done
    exit "$worst"
    ;;
esac
