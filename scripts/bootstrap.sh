#!/usr/bin/env bash
# Installs what building and testing need, as Debian packages. Does nothing, and needs no network, if all is there.
#
#   scripts/bootstrap.sh           what building, testing and measuring need
#   scripts/bootstrap.sh --python  that, and what the Python package needs
#   scripts/bootstrap.sh --test    that, and what the tests need besides: clang and clang-format, mypy
#   scripts/bootstrap.sh --check   that, and clang-tidy, for scripts/check.sh
#   scripts/bootstrap.sh --peers   what building needs, and the libraries that scripts/bench.sh compares with where
#                                  they are installed
#
# Packages are installed as root or with sudo; without either it says what to install.
set -euo pipefail

usage() { sed -n '2,/^set /{s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

peers=false python=false test=false check=false
for argument in "$@"; do
  case "$argument" in
    --python) python=true ;;
    --test) python=true test=true ;;
    --check) python=true test=true check=true ;;
    --peers) peers=true ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

packages=()
need_command() { command -v "$1" > /dev/null || packages+=("$2"); }
need_package() { [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" == installed ]] || packages+=("$1"); }

read -r compiler _ <<< "${CXX:-c++}"  # as CMake takes it: "ccache g++", "g++ -m64"
need_command "$compiler" g++
need_command cmake cmake
need_command ninja ninja-build
need_command pkg-config pkgconf  # tests/package/
need_command valgrind valgrind   # bench/gates/
if $test; then
  need_command clang++ clang
  need_command clang-format clang-format
fi
if $check; then
  need_command clang-tidy clang-tidy
  need_command git git  # what has changed
fi

if ! command -v dpkg-query apt-get > /dev/null; then
  echo "bootstrap: not a Debian system. Needed besides a C++20 compiler, CMake >= 3.22 and Ninja:" \
    "zlib, Eigen 3.4; for its tests and benchmarks Catch2, Google Benchmark, pkg-config, valgrind; to check sources clang," \
    "clang-format and clang-tidy 14." >&2
  if $peers; then echo "bootstrap: compared with where they are installed: LibTorch with OpenBLAS, ADOL-C." >&2; fi
  exit 0
fi

need_package zlib1g-dev        # gzipped data
need_package libeigen3-dev     # runtime/
need_package catch2            # tests/
need_package libbenchmark-dev  # bench/
if $python; then
  need_package python3-dev
  need_package pybind11-dev
  need_package python3-numpy
fi
if $test; then
  need_package mypy  # of the Python package's types
  need_package python3-setuptools  # its installation
  need_package python3-wheel
  need_package python3-venv
fi
if $peers; then
  need_package libtorch-dev
  need_package libopenblas0-pthread  # or LibTorch takes the reference BLAS, which is slow
  need_package libadolc-dev
  need_package dataset-fashion-mnist  # the epoch that is compared
fi

if ((${#packages[@]} == 0)); then
  if $peers; then echo "bootstrap: all is there, with the libraries to compare with"; fi
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo > /dev/null; then
    echo "bootstrap: please install, as root: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "bootstrap: installing ${packages[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }
apt update || echo "bootstrap: the package lists could not be renewed; trying with those at hand" >&2
apt install -y --no-install-recommends "${packages[@]}" > /dev/null
echo "bootstrap: done"
