# Helpers of the scripts beside this file.

# run(command...): stops the test with the command's output if it fails. Leaves what it printed in `output`.
macro(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE run_result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT run_result EQUAL 0)
    string(REPLACE ";" " " run_command "${ARGN}")
    message(FATAL_ERROR "${run_result} from ${run_command}\n${output}")
  endif()
endmacro()

# build_consumer(directory arguments...): configures the consumer's project with the arguments, builds and runs it.
macro(build_consumer directory)
  set(launcher "")
  if(LAUNCHER)
    set(launcher "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}")
  endif()
  run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${directory} -G ${GENERATOR}
      -DCMAKE_MAKE_PROGRAM=${MAKE} -DCMAKE_CXX_COMPILER=${CXX} ${launcher} ${ARGN})
  run(${CMAKE_COMMAND} --build ${directory})
  run(${directory}/consumer)
  message("${output}")
endmacro()

# expect_kind(program kind): the program needs libtapeloom.so if and only if the kind is shared.
macro(expect_kind program kind)
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${program} RESOLVED_DEPENDENCIES_VAR needed
       UNRESOLVED_DEPENDENCIES_VAR unresolved)
  if("${kind}" STREQUAL "shared" AND NOT "${needed};${unresolved}" MATCHES "libtapeloom[.]so[.]")
    message(FATAL_ERROR "linked with the archive instead of the shared object")
  elseif("${kind}" STREQUAL "static" AND "${needed};${unresolved}" MATCHES "libtapeloom")
    message(FATAL_ERROR "linked with the shared object instead of the archive")
  endif()
endmacro()

# inline_namespace(version result): as version.h says, one for each minor version until 1.0, then for each major one.
function(inline_namespace version result)
  if(NOT version MATCHES "^(0|[1-9][0-9]*)[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)$")
    message(FATAL_ERROR "no semantic version: \"${version}\"")
  endif()
  set(name v${CMAKE_MATCH_1})
  if(CMAKE_MATCH_1 EQUAL 0)
    set(name v0_${CMAKE_MATCH_2})
  endif()
  set(${result} ${name} PARENT_SCOPE)
endfunction()
