# Checks that README shows the promised factors: cmake -DROOT=<project> -DGATES=<gates> -P promises.cmake

cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND ${GATES} promises --figures ${ROOT}/bench/gates/promises.json
  RESULT_VARIABLE result OUTPUT_VARIABLE table)
file(READ ${ROOT}/README.md readme)
string(FIND "${readme}" "\n\n${table}\n" place)
if(NOT result EQUAL 0 OR NOT table MATCHES "[|].*[|]" OR place EQUAL -1)
  message(FATAL_ERROR "README.md does not show the promised factors as they are (scripts/gates.sh --promises):\n${table}")
endif()
