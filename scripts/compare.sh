#!/usr/bin/env bash
# Builds another revision beside what is here, both Release, and runs the gates' workloads in both by turns. A sign test
# says for each workload whether this one is faster, slower or even. Exit code 1: something is slower.
#
#   scripts/compare.sh [--pairs NUMBER] [--workload PART_OF_NAME] [--this=CMAKE_OPTION]... REVISION
#
# What is measured is the library: the other revision's is driven by the benchmark that is here. --this=... configures
# only what is here. Nothing else should run on the machine meanwhile.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
usage() { sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

revision="" options=() arguments=()
while (($# > 0)); do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --pairs | --workload)
      if (($# < 2)); then usage >&2 && exit 2; fi
      arguments+=("$1" "$2")
      shift
      ;;
    --this=*) options+=("${1#--this=}") ;;
    -*) usage >&2; exit 2 ;;
    *)
      if [[ -n "$revision" ]]; then usage >&2 && exit 2; fi
      revision="$1"
      ;;
  esac
  shift
done
if [[ -z "$revision" ]]; then usage >&2 && exit 2; fi
commit="$(git -C "$root" rev-parse --verify --quiet "$revision^{commit}")" || {
  echo "compare: there is no revision $revision" >&2
  exit 2
}

"$root/scripts/bootstrap.sh" >&2
scratch="$(mktemp -d)"
clean_up() {
  git -C "$root" worktree remove --force "$scratch/other" 2> /dev/null || true
  rm -rf "$scratch"
  git -C "$root" worktree prune
}
trap clean_up EXIT
git -C "$root" worktree add --quiet --detach "$scratch/other" "$commit"
rm -rf "$scratch/other/bench"
cp -r "$root/bench" "$scratch/other/bench"

# build SOURCE DIRECTORY CMAKE_OPTION...
build() {
  local source="$1" directory="$2"
  shift 2
  local launcher=()
  if command -v ccache > /dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  if ! { cmake -S "$source" -B "$directory" -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Release \
    -DTAPELOOM_BUILD_TESTS=OFF -DTAPELOOM_BUILD_EXAMPLES=OFF "${launcher[@]}" "$@" &&
    CCACHE_BASEDIR="$source" CCACHE_NOHASHDIR=1 \
      cmake --build "$directory" --target gate_measure gates --parallel "$(nproc)"; } > "$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    echo "compare: $source does not build with this benchmark" >&2
    exit 2
  fi
}
echo "building what is here and $commit" >&2
build "$root" "$scratch/this" "${options[@]}"
build "$scratch/other" "$scratch/that"

echo "this: $(git -C "$root" describe --always --dirty) ${options[*]}; other: $revision ($(git -C "$root" rev-parse --short "$commit"))"
"$scratch/this/bench/gates/gates" compare --measure "$scratch/this/bench/gates/gate_measure" \
  --other "$scratch/that/bench/gates/gate_measure" "${arguments[@]}"
