# Holds the pages, README.md and docs/ among them, against the programs they show: runs those programs, one after
# another in one directory, and looks for every block of the pages in what they are and print.
#
#   cmake -DROOT=<project> -DPROGRAMS=<directory> -DDUMP=<dump> -DSCRATCH=<directory>
#     [-DPYTHON=<interpreter> -DPACKAGE=<directory of the Python package>] -P docs.cmake
#
#   ```c ```cpp       lines of a program or header of examples/docs or of examples/readme.cpp, perhaps indented less;
#                     in docs/extending.md also what tests/package/add_op.cmake builds
#   ```python ```csv  lines of such a file of examples/docs
#   ```cmake          lines of README.md, which tests/package/readme.cmake builds, or of tests/package/consumer
#   ```sh             names what is there: files, targets, presets, options
#   ```               lines that a program prints
#
# and every link leads to a file.

cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
file(GLOB data ${ROOT}/examples/docs/*.csv)
file(COPY ${data} DESTINATION ${SCRATCH})

# What the programs print. The order is that of the pages: predict needs what train leaves behind, and run what ship
# does.
set(printed "")
function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${SCRATCH} RESULT_VARIABLE result OUTPUT_VARIABLE output
    ERROR_VARIABLE errors)
  if(NOT result EQUAL 0)
    message(SEND_ERROR "${ARGN}: ${result}\n${output}${errors}")
  endif()
  set(printed "${printed}\n${output}" PARENT_SCOPE)
endfunction()
run(${DUMP})
file(GLOB programs RELATIVE ${ROOT}/examples/docs ${ROOT}/examples/docs/*.cpp)
list(REMOVE_ITEM programs predict.cpp)
foreach(program ${programs})
  string(REPLACE ".cpp" "" program ${program})
  run(${PROGRAMS}/docs_${program})
endforeach()
run(${PROGRAMS}/docs_run)
run(${PROGRAMS}/docs_predict leaves.safetensors 11 6)
run(${PROGRAMS}/docs_predict leaves.safetensors 9.5 1.4)

if(PYTHON)
  run(${CMAKE_COMMAND} -E env PYTHONPATH=${PACKAGE} ${PYTHON} -B -W error ${ROOT}/examples/docs/python.py)
endif()

set(sources "")
file(GLOB files ${ROOT}/examples/docs/*.*)
foreach(file ${files} ${ROOT}/examples/readme.cpp)
  file(READ ${file} source)
  string(REGEX REPLACE "\n  " "\n" inner "${source}")
  string(REGEX REPLACE "\n  " "\n" innermost "${inner}")
  string(APPEND sources "\n${source}\n${inner}\n${innermost}")
endforeach()
file(READ ${ROOT}/README.md readme)
file(READ ${ROOT}/tests/package/consumer/CMakeLists.txt consumer)
string(REGEX REPLACE "\n +" "\n" consumer "${consumer}")
file(READ ${ROOT}/CMakePresets.json presets)
file(READ ${ROOT}/CMakeLists.txt options)

# expect(page what text place): the text is there, as whole lines.
function(expect page what text place)
  string(FIND "\n${place}\n" "\n${text}\n" found)
  if(text STREQUAL "" OR found EQUAL -1)
    message(SEND_ERROR "${page} shows what is not ${what}:\n${text}")
  endif()
endfunction()

# The files, targets, presets and options that shell commands name.
function(check_commands page text)
  string(REGEX REPLACE "#[^\n]*" "" text "${text}")
  string(REGEX MATCHALL "[^ \n\"$=()]+" words "${text}")
  set(before "")
  foreach(word ${words})
    if(before STREQUAL "--preset")
      string(FIND "${presets}" "\"name\": \"${word}\"" found)
      if(found EQUAL -1)
        message(SEND_ERROR "${page}: there is no preset ${word}")
      endif()
    elseif(word MATCHES "^-D(TAPELOOM_[A-Z_]+)" AND NOT options MATCHES "${CMAKE_MATCH_1}")
      message(SEND_ERROR "${page}: there is no option ${word}")
    elseif(word MATCHES "^build/(dev|release|asan-ubsan|tsan)/(.*)/([a-z_]+)$")
      file(READ ${ROOT}/${CMAKE_MATCH_2}/CMakeLists.txt targets)
      if(NOT targets MATCHES "[ (]${CMAKE_MATCH_3}[ \n)]")
        message(SEND_ERROR "${page}: nothing builds ${word}")
      endif()
    elseif(word MATCHES "^(scripts|examples|docs|tests|bench|core|compiler|runtime)/" AND NOT EXISTS ${ROOT}/${word})
      message(SEND_ERROR "${page}: there is no ${word}")
    endif()
    set(before "${word}")
  endforeach()
endfunction()

set(blocks 0)
file(GLOB pages RELATIVE ${ROOT} ${ROOT}/docs/*.md)
if(NOT PYTHON)
  list(REMOVE_ITEM pages docs/python.md)
endif()
foreach(page README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md ${pages})
  file(READ ${ROOT}/${page} text)
  set(rest "\n${text}")
  set(prose "")
  while(TRUE)
    string(FIND "${rest}" "\n```" begin)
    if(begin EQUAL -1)
      break()
    endif()
    string(SUBSTRING "${rest}" 0 ${begin} before)
    string(APPEND prose "${before}\n")
    math(EXPR begin "${begin} + 4")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "\n" line)
    string(SUBSTRING "${rest}" 0 ${line} language)
    string(SUBSTRING "${rest}" ${line} -1 rest)
    string(FIND "${rest}" "\n```\n" end)
    if(end LESS 2)
      message(FATAL_ERROR "${page} has a block of ${language} without an end, or without a line")
    endif()
    math(EXPR length "${end} - 1")
    string(SUBSTRING "${rest}" 1 ${length} block)
    math(EXPR end "${end} + 4")
    string(SUBSTRING "${rest}" ${end} -1 rest)
    math(EXPR blocks "${blocks} + 1")

    if(language STREQUAL "cpp" AND page STREQUAL "docs/extending.md")
      # Built by tests/package/add_op.cmake, which takes every one of them.
    elseif(language MATCHES "^(c|cpp|python|csv)$")
      expect(${page} "in examples/docs" "${block}" "${sources}")
    elseif(language STREQUAL "cmake")
      if(NOT page STREQUAL "README.md")
        expect(${page} "in README.md or tests/package/consumer" "${block}" "${readme}\n${consumer}")
      endif()
    elseif(language STREQUAL "sh")
      check_commands(${page} "${block}")
    elseif(language STREQUAL "")
      expect(${page} "printed by any program" "${block}" "${printed}")
    else()
      message(SEND_ERROR "${page} has a block of ${language}, which nothing checks")
    endif()
  endwhile()
  string(APPEND prose "${rest}")

  get_filename_component(directory ${ROOT}/${page} DIRECTORY)
  string(REPLACE "](" "link(" prose "${prose}")  # brackets have a meaning in CMake's lists
  string(REGEX MATCHALL "link\\([^)]+\\)" links "${prose}")
  foreach(link ${links})
    string(REGEX REPLACE "^link.|[)]$|#.*$" "" link "${link}")
    if(NOT link MATCHES "^https?:" AND NOT EXISTS ${directory}/${link})
      message(SEND_ERROR "${page} links to ${link}, which is not there")
    endif()
  endforeach()
endforeach()
if(blocks LESS 20)
  message(FATAL_ERROR "only ${blocks} blocks found: this checks nothing")
endif()
message(STATUS "${blocks} blocks are as they should be")
