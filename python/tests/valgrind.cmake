# Runs COMMAND, a test of Python's, under valgrind, for which wrong accesses are failures. Python's own allocator, which
# would hide them, is left out.
cmake_minimum_required(VERSION 3.22)
find_program(valgrind valgrind)
if(NOT valgrind)
  message("SKIPPED: valgrind was not found (Debian: apt install valgrind)")
  return()
endif()
set(ENV{PYTHONMALLOC} malloc)
execute_process(COMMAND ${valgrind} --quiet --error-exitcode=9
                        --suppressions=${CMAKE_CURRENT_LIST_DIR}/valgrind.supp ${COMMAND}
                RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the test failed under valgrind (${status})")
endif()
