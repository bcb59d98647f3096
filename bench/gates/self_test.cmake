# Checks that the counting gates notice what they are for, in numbers of their own:
#   cmake -DGATES=<gates> -DMEASURE=<gate_measure> -DSLOWED=<gate_measure_slowed> -DSCRATCH=<directory>
#     -DGATE=<structure|instructions> -P self_test.cmake

cmake_minimum_required(VERSION 3.22)
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})

# expect(<exit code> <what the output must match> <arguments of gates>...)
function(expect code pattern)
  execute_process(COMMAND ${GATES} ${ARGN} --workload tanh --scratch ${SCRATCH}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL code OR NOT output MATCHES "${pattern}")
    message(SEND_ERROR "expected ${code} and \"${pattern}\", but gates ${ARGN} gave ${result} and\n${output}")
  endif()
endfunction()

# replace_number(<file> <column> <addend>): the first number of that column.
function(replace_number file column addend)
  file(READ ${file} text)
  string(REGEX MATCH "\"${column}\": ([0-9]+)" old "${text}")
  math(EXPR number "${CMAKE_MATCH_1} + ${addend}")
  string(FIND "${text}" "${old}" at)
  string(LENGTH "${old}" length)
  math(EXPR rest "${at} + ${length}")
  string(SUBSTRING "${text}" 0 ${at} head)
  string(SUBSTRING "${text}" ${rest} -1 tail)
  file(WRITE ${file} "${head}\"${column}\": ${number}${tail}")
endfunction()

if(GATE STREQUAL "structure")
  set(file ${SCRATCH}/structure.json)
  set(structure structure --measure ${MEASURE} --figures ${file})
  expect(1 "none is committed.*FAILED" ${structure})
  expect(0 "wrote" ${structure} --accept)
  expect(0 "structure gate: passed\n" ${structure})
  foreach(column "instructions" "dispatches a step" "arena bytes")
    replace_number(${file} ${column} -1)
    expect(1 "WORSE   3-4-4-1 tanh / 4: ${column}: [0-9]+ -> [0-9]+ .*FAILED.*gates.sh --accept" ${structure})
    replace_number(${file} ${column} 2)
    expect(0 "better  3-4-4-1 tanh / 4: ${column}.*passed, and better.*tightens" ${structure})
    replace_number(${file} ${column} -1)
  endforeach()
  expect(0 "structure gate: passed\n" ${structure})
  expect(0 "structure gate: passed\n" structure --measure ${SLOWED} --figures ${file})  # the same program, run more often
  return()
endif()

set(file ${SCRATCH}/instructions.json)
set(instructions instructions --figures ${file})
execute_process(COMMAND ${GATES} ${instructions} --measure ${MEASURE} --workload tanh --scratch ${SCRATCH}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(output MATCHES "INCONCLUSIVE.*(valgrind is not installed|no AVX2)")
  message("SKIPPED: ${output}")
  return()
elseif(NOT result EQUAL 77 OR NOT output MATCHES "INCONCLUSIVE.*no figures are committed for")
  message(SEND_ERROR "expected 77, since no figures are committed, but gates gave ${result} and\n${output}")
endif()
expect(0 "wrote" ${instructions} --measure ${MEASURE} --accept)
expect(0 "instruction gate: passed\n" ${instructions} --measure ${MEASURE})
expect(1 "WORSE   64-32-10 tanh / 32: [^\n]*[+]10[.]0.*WORSE   geometric mean of 3 workloads: [+]10[.]0.*FAILED"
  ${instructions} --measure ${SLOWED})
