# Runs exchange.py, exchange_derivatives.py, or layers.py with its file in place of a program, where PyTorch and NumPy
# are installed:
#   cmake -DPROGRAM=<exchange> -DSCRIPT=<script> -DSCRATCH=<directory> -P exchange.cmake

cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})

# The first python3 on the path may be another one than the system's.
foreach(python python3 /usr/bin/python3)
  execute_process(COMMAND ${python} -c "import numpy, torch" RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
  if(NOT missing STREQUAL "0")
    continue()
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 ${python} ${SCRIPT} ${PROGRAM} ${SCRATCH}
                  RESULT_VARIABLE result)
  if(NOT result STREQUAL "0")
    message(FATAL_ERROR "it failed: ${result}")
  endif()
  return()
endforeach()
message("SKIPPED: PyTorch and NumPy are not installed (Debian: apt install python3-torch python3-numpy)")
