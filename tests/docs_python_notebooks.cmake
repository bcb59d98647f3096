# The way of writing of the notebooks and ours, side by side in docs/notebooks.md, give the same numbers:
#   cmake -DSOURCES=<examples/docs> -DPROGRAMS=<directory> -DSCRATCH=<directory> -P docs_python_notebooks.cmake

cmake_minimum_required(VERSION 3.22)
find_program(python NAMES python3)
if(NOT python)
  message("SKIPPED: Python is not installed (Debian: apt install python3)")
  return()
endif()
execute_process(COMMAND ${python} ${SOURCES}/notebooks.py RESULT_VARIABLE failed OUTPUT_VARIABLE theirs)
execute_process(COMMAND ${PROGRAMS}/docs_notebooks RESULT_VARIABLE failed_too OUTPUT_VARIABLE ours)
# Line by line: ours says more in the second and third.
string(REGEX MATCH "^[^\n]+\nloss [0-9.]+" begin "${ours}")
string(STRIP "${theirs}" theirs)
if(NOT failed EQUAL 0 OR NOT failed_too EQUAL 0 OR theirs STREQUAL "" OR NOT theirs STREQUAL begin)
  message(FATAL_ERROR "notebooks.py (${failed}):\n${theirs}\nnotebooks.cpp (${failed_too}):\n${ours}")
endif()
