# Installs the package with pip as README says, from a copy of the sources, without a network, and uses it where nothing
# of the build tree is found: cmake -DROOT=<project> -DPYTHON=<interpreter> -DSCRATCH=<directory> -P install.cmake
cmake_minimum_required(VERSION 3.22)

execute_process(COMMAND ${PYTHON} -c "import setuptools, wheel, ensurepip" RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
if(missing)
  message("SKIPPED: setuptools, wheel and venv are not all installed (Debian: apt install python3-setuptools python3-wheel python3-venv)")
  return()
endif()

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${SCRATCH} RESULT_VARIABLE result OUTPUT_VARIABLE output
    ERROR_VARIABLE errors)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${result}\n${output}\n${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
include(${ROOT}/tests/package/copy_sources.cmake)
set(source ${SCRATCH}/source)
copy_sources(${source})

run(${PYTHON} -m venv --system-site-packages ${SCRATCH}/venv)
set(python ${SCRATCH}/venv/bin/python)
# What users get is optimised; here that would take minutes, and how fast it runs is not looked at.
set(ENV{CMAKE_ARGS} "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
run(${python} -m pip wheel --no-build-isolation --no-deps --no-index --wheel-dir ${SCRATCH}/wheels ${source})
# A machine that has ninja need not have make.
find_program(ninja ninja)
file(GLOB build_file ${source}/build/temp.*/cmake/build.ninja)
if(ninja AND NOT build_file)
  message(FATAL_ERROR "ninja is there, and the wheel was built by something else")
endif()
file(GLOB wheel ${SCRATCH}/wheels/tapeloom-*.whl)
file(SIZE "${wheel}" bytes)
message(STATUS "the wheel has ${bytes} bytes")
if(bytes GREATER 2250000)
  message(FATAL_ERROR "the wheel has ${bytes} bytes")
endif()
run(${python} -m pip install --no-deps --no-index ${wheel})
run(${python} -I -c "
import statistics, subprocess, sys
import tapeloom
from tapeloom.engine import Value
from tapeloom.nn import MLP
assert tapeloom.__file__.startswith(sys.prefix), tapeloom.__file__
assert 'numpy' not in sys.modules
a, b = Value(-4.0), Value(2.0)
y = (a * b + b**3).relu() + a
y.backward()
assert (y.data, a.grad) == (-4.0, 1.0), (y.data, a.grad)
assert '<svg' in y._repr_svg_()
print(tapeloom.__version__)
# Of an import, Python's own start left out; the least of several, since others may be at work here.
program = 'import time; t = time.perf_counter(); import tapeloom; print(time.perf_counter() - t)'
times = [float(subprocess.run([sys.executable, '-I', '-c', program], capture_output=True, check=True).stdout)
         for _ in range(7)]
assert min(times) < 0.010, times
")
file(READ ${ROOT}/version.h header)
string(REGEX REPLACE ".*_MAJOR ([0-9]+).*_MINOR ([0-9]+).*_PATCH ([0-9]+)\n.*" "\\1.\\2.\\3" version "${header}")
string(STRIP "${output}" output)
if(NOT output STREQUAL version)
  message(FATAL_ERROR "version ${output} is installed, of sources of version ${version}")
endif()
file(REMOVE_RECURSE ${SCRATCH})
