# What C has trained, Python runs by ctypes, with no package besides:
#   cmake -DSOURCES=<examples/docs> -DPROGRAMS=<directory> -DLIBRARY=<libtapeloom.so> -DSCRATCH=<directory>
#         -P docs_python_ctypes.cmake

cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/package/run.cmake)

find_program(python NAMES python3)
if(NOT python)
  message("SKIPPED: python3 was not found (Debian: apt install python3)")
  return()
endif()
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
foreach(command ${PROGRAMS}/docs_ship ${PROGRAMS}/docs_run "${python};${SOURCES}/run.py;${LIBRARY}")
  run(${CMAKE_COMMAND} -E chdir ${SCRATCH} ${command})
endforeach()
if(NOT output STREQUAL "1.00 0.00 1.00\n")
  message(FATAL_ERROR "0 xor 1, 1 xor 1 and 1 xor 0 are ${output}")
endif()
