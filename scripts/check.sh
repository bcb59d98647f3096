#!/usr/bin/env bash
# Checks what tests of one build cannot: how sources are written, and what other compilers and sanitizers say of them.
# Installs what is missing. Exit code 1 if anything is found.
#
#   scripts/check.sh                      all of these, the quick ones first
#   scripts/check.sh format               clang-format (also among the tests)
#   scripts/check.sh tidy [REVISION]      clang-tidy, of what differs from the revision; by default from where this
#                                         branch left main
#   scripts/check.sh clang                a build with clang, warnings as errors, and its tests
#   scripts/check.sh asan-ubsan           a build with address and undefined behaviour sanitizers, and its tests
#   scripts/check.sh tsan                 a build with the thread sanitizer, and its tests
#
# The tools are Debian 12's, version 14: others format otherwise and find other things.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

format() {
  local output code=0
  output="$(cmake -DROOT="$PWD" -DSCRATCH="$PWD/build/format" -P tests/format.cmake 2>&1)" || code=1
  echo "$output"
  if [[ "$output" == *SKIPPED:* ]]; then code=1; fi
  return "$code"
}

# tidy [REVISION]: sources, and headers by themselves, with what a build with clang is compiled with.
tidy() {
  local since="${1:-}" base files
  if [[ -z "$since" ]]; then
    since=HEAD
    for base in main origin/main; do
      if git rev-parse --verify --quiet "$base^{commit}" > /dev/null; then since="$(git merge-base "$base" HEAD)" && break; fi
    done
  fi
  git rev-parse --verify --quiet "$since^{commit}" > /dev/null || { echo "check: there is no revision $since" >&2; return 2; }
  mapfile -t files < <({
    git diff --name-only --diff-filter=d "$since" -- '*.cpp' '*.h'
    git ls-files --others --exclude-standard -- '*.cpp' '*.h'
  } | sort -u)
  if ((${#files[@]} == 0)); then echo "clang-tidy: nothing differs from $since" && return; fi
  cmake --preset clang --log-level=WARNING > /dev/null
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy -p build/clang --quiet --warnings-as-errors='*'
}

# build_and_test PRESET
build_and_test() {
  cmake --preset "$1" --log-level=WARNING > /dev/null
  cmake --build --preset "$1" --parallel "$(nproc)"
  ctest --preset "$1" --parallel "$(nproc)"
}

# run CHECK [ARGUMENT]
run() {
  echo "== $1"
  case "$1" in
    format) format ;;
    tidy) tidy "${2:-}" ;;
    *) build_and_test "$1" ;;
  esac
}

checks=(format tidy clang asan-ubsan tsan)
case "${1:-}" in
  "") ;;
  --help | -h) usage; exit 0 ;;
  format | clang | asan-ubsan | tsan) if (($# > 1)); then usage >&2 && exit 2; fi ;;
  tidy) if (($# > 2)); then usage >&2 && exit 2; fi ;;
  *) usage >&2; exit 2 ;;
esac
scripts/bootstrap.sh --check >&2
if (($# > 0)); then
  run "$@"
  exit
fi
failed=()
for check in "${checks[@]}"; do
  # In a shell of its own: in a condition, -e would not stop it at what fails first.
  code=0
  scripts/check.sh "$check" || code=$?
  if ((code != 0)); then failed+=("$check"); fi
done
if ((${#failed[@]} > 0)); then echo "check: FAILED: ${failed[*]}" && exit 1; fi
echo "check: all is well"
