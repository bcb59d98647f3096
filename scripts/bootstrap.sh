#!/usr/bin/env bash
# Installs what building and testing need, as Debian packages. Does nothing, and needs no network, if all is there.
set -euo pipefail

packages=()
need_command() { command -v "$1" > /dev/null || packages+=("$2"); }
need_package() { [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2> /dev/null)" == installed ]] || packages+=("$1"); }

need_command "${CXX:-c++}" g++
need_command cmake cmake
need_command ninja ninja-build
need_command pkg-config pkgconf  # tests/package/
need_command valgrind valgrind   # bench/gates/

if ! command -v dpkg-query apt-get > /dev/null; then
  echo "bootstrap: not a Debian system. Needed besides a C++20 compiler, CMake >= 3.22 and Ninja:" \
    "zlib, Eigen 3.4; for its tests and benchmarks Catch2, Google Benchmark, pkg-config, valgrind." >&2
  exit 0
fi

need_package zlib1g-dev        # gzipped data
need_package libeigen3-dev     # runtime/
need_package catch2            # tests/
need_package libbenchmark-dev  # bench/

if ((${#packages[@]} == 0)); then exit 0; fi

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
