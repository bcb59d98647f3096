# Checks that README shows the whole example, and that it learns:
#   cmake -DROOT=<project> -DEXAMPLE=<readme> -P readme.cmake

cmake_minimum_required(VERSION 3.22)
file(READ ${ROOT}/README.md readme)

file(READ ${ROOT}/examples/readme.cpp example)
string(FIND "${readme}" "```cpp\n${example}```\n" place)
if(place EQUAL -1)
  message(SEND_ERROR "README.md does not show examples/readme.cpp as it is:\n${example}")
endif()

execute_process(COMMAND ${EXAMPLE} RESULT_VARIABLE result OUTPUT_VARIABLE output)
if(NOT result EQUAL 0 OR NOT output STREQUAL "0 xor 0: 0.00\n0 xor 1: 1.00\n1 xor 0: 1.00\n1 xor 1: 0.00\n")
  message(SEND_ERROR "the example does not learn: ${result}\n${output}")
endif()
