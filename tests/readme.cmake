# Checks that README shows what the example and the dump really are:
#   cmake -DROOT=<project> -DEXAMPLE=<readme> -DDUMP=<dump> -P readme.cmake

cmake_minimum_required(VERSION 3.22)
file(READ ${ROOT}/README.md readme)

function(expect_in_readme what text)
  string(FIND "${readme}" "${text}" place)
  if(text STREQUAL "" OR place EQUAL -1)
    message(SEND_ERROR "README.md does not show ${what} as it is:\n${text}")
  endif()
endfunction()

file(READ ${ROOT}/examples/readme.cpp example)
expect_in_readme("examples/readme.cpp" "```cpp\n${example}```\n")

execute_process(COMMAND ${EXAMPLE} RESULT_VARIABLE result OUTPUT_VARIABLE output)
if(NOT result EQUAL 0 OR NOT output STREQUAL "0 xor 0: 0.00\n0 xor 1: 1.00\n1 xor 0: 1.00\n1 xor 1: 0.00\n")
  message(SEND_ERROR "the example does not learn: ${result}\n${output}")
endif()

execute_process(COMMAND ${DUMP} RESULT_VARIABLE result OUTPUT_VARIABLE dump)
if(NOT result EQUAL 0 OR NOT dump MATCHES "^-- recording\n(.*)-- passes\n.*== fuse\n(.*)\n-- program\n(.*)-- explanation\n(.*)$")
  message(FATAL_ERROR "the dump has not the four parts: ${result}\n${dump}")
endif()
set(recording "${CMAKE_MATCH_1}")
set(graph "${CMAKE_MATCH_2}")
set(program "${CMAKE_MATCH_3}")
set(explanation "${CMAKE_MATCH_4}")
string(STRIP "${recording}" recording)
string(STRIP "${graph}" graph)
string(STRIP "${program}" program)
string(STRIP "${explanation}" explanation)
expect_in_readme("the dump of a recording" "```\n${recording}\n```\n")
expect_in_readme("the dump of a graph" "```\n${graph}\n```\n")
expect_in_readme("the dump of a program" "```\n${program}\n```\n")
expect_in_readme("the explanation of a program" "```\n${explanation}\n```\n")
