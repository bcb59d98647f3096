#!/usr/bin/env bash
# Whether programs and what they compute are the same as in another revision: the compiler's texts and all results, bit
# for bit, of several hundred programs (tests/corpus). Names those that differ. Exit code 1: some do.
#
#   scripts/corpus.sh [REVISION]     HEAD, unless given
#
# Builds what is here by the preset dev, and the revision the same way in build/corpus; what the revision's programs
# said is kept there, so that the next comparison with it builds nothing anew.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
usage() { sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
case "${1:-}" in
  --help | -h) usage; exit 0 ;;
  -*) usage >&2; exit 2 ;;
esac
if (($# > 1)); then usage >&2 && exit 2; fi
revision="${1:-HEAD}"
commit="$(git -C "$root" rev-parse --verify --quiet "$revision^{commit}")" || {
  echo "corpus: there is no revision $revision" >&2
  exit 2
}
if ! git -C "$root" cat-file -e "$commit:tests/corpus/main.cpp" 2> /dev/null; then
  echo "corpus: revision $revision has no tests/corpus" >&2
  exit 2
fi

kept="$root/build/corpus" shown=10  # as many differing programs are shown with their first lines
mkdir -p "$kept"
scratch="$(mktemp -d "$kept/scratch.XXXXXX")"
worktree="$kept/source"
clean_up() { rm -rf "$scratch"; }
trap clean_up EXIT
exec 9> "$kept/lock"  # one comparison at a time
flock 9

# write_corpus SOURCE OUT_DIR
write_corpus() {
  if ! (cd "$1" && export CCACHE_BASEDIR="$1" CCACHE_NOHASHDIR=1 && cmake --preset dev --log-level=WARNING &&
    cmake --build --preset dev --target program_corpus --parallel "$(nproc)") > "$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    echo "corpus: $1 does not build" >&2
    exit 2
  fi
  if ! "$1/build/dev/tests/program_corpus" "$2" > "$scratch/log" 2>&1; then
    cat "$scratch/log" >&2
    echo "corpus: the programs of $1 cannot be run" >&2
    exit 2
  fi
}

if [[ ! -d "$kept/$commit" ]]; then
  echo "building and running $revision (${commit:0:10})" >&2
  # One worktree for all revisions: the next one is built by what has changed.
  if [[ -e "$worktree/.git" ]]; then
    git -C "$worktree" checkout --quiet --force --detach "$commit"
  else
    git -C "$root" worktree prune
    git -C "$root" worktree add --quiet --force --detach "$worktree" "$commit"
  fi
  write_corpus "$worktree" "$scratch/that"
  mv "$scratch/that" "$kept/$commit"
fi
echo "building and running what is here" >&2
write_corpus "$root" "$scratch/this"

differing=0
while read -r name; do
  this="$scratch/this/$name" that="$kept/$commit/$name"
  if [[ -e "$this" && -e "$that" ]] && cmp -s "$this" "$that"; then continue; fi
  differing=$((differing + 1))
  if [[ ! -e "$that" ]]; then echo "${name%.txt}: only here" && continue; fi
  if [[ ! -e "$this" ]]; then echo "${name%.txt}: no longer here" && continue; fi
  diff "$that" "$this" > "$scratch/diff" || true
  echo "${name%.txt}: $(grep -c '^[<>]' "$scratch/diff") lines differ"
  if ((differing <= shown)); then
    # The section in which the first difference is, and its lines.
    line="$(sed -n '1s/[^0-9].*//p' "$scratch/diff")"
    sed -n "1,${line}p" "$that" | grep '^== ' | tail -1 | sed 's/^/  /' || true
    sed -n '2,5p' "$scratch/diff" | cut -c 1-160 | sed 's/^/  /'
  fi
done < <({ ls "$scratch/this" && ls "$kept/$commit"; } | sort -u)

count="$(find "$scratch/this" -name '*.txt' | wc -l)"
rm -rf "$kept/this" && mv "$scratch/this" "$kept/this"
if ((differing == 0)); then
  echo "all $count programs are what they were in $revision (${commit:0:10})"
else
  echo "$differing of $count programs differ from $revision (${commit:0:10}):"
  echo "  diff -r build/corpus/$commit build/corpus/this"
  exit 1
fi
