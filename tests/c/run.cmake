# Runs COMMAND in the directory SCRATCH, into which PROGRAMS has written its programs. Its first word may be
#   VALGRIND   valgrind, for which leaks and wrong accesses are failures
#   PYTHON     python3, of which nothing but its standard library is used
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/../package/run.cmake)

list(GET COMMAND 0 first)
if(first STREQUAL "VALGRIND")
  find_program(valgrind valgrind)
  if(NOT valgrind)
    message("SKIPPED: valgrind was not found (Debian: apt install valgrind)")
    return()
  endif()
  list(REMOVE_AT COMMAND 0)
  list(PREPEND COMMAND ${valgrind} --quiet --leak-check=full --errors-for-leak-kinds=definite,indirect,possible
    --error-exitcode=9)
elseif(first STREQUAL "PYTHON")
  find_program(python NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
  find_program(python NAMES python3)
  if(NOT python)
    message("SKIPPED: python3 was not found (Debian: apt install python3)")
    return()
  endif()
  list(REMOVE_AT COMMAND 0)
  list(PREPEND COMMAND ${python})
endif()

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
run(${PROGRAMS} ${SCRATCH})
run(${CMAKE_COMMAND} -E chdir ${SCRATCH} ${COMMAND})
message("${output}")
