# The library's sources, and each of its headers by itself, compile with clang without a warning, as far as the language
# goes: nothing is generated, which would take some minutes.
#
#   cmake -DROOT=<project> -DSCRATCH=<directory> -DGENERATOR=<of CMake> -DMAKE=<its program> -P library.cmake
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/../package/run.cmake)

find_program(clang NAMES clang++ clang++-14)
if(NOT clang)
  message("SKIPPED: clang++ was not found (Debian: apt install clang)")
  return()
endif()
run(${CMAKE_COMMAND} -S ${ROOT} -B ${SCRATCH} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE}
    -DCMAKE_CXX_COMPILER=${clang} -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTAPELOOM_WERROR=ON -DTAPELOOM_BUILD_TESTS=OFF
    -DTAPELOOM_BUILD_BENCH=OFF -DTAPELOOM_BUILD_EXAMPLES=OFF
    -DCMAKE_PROJECT_INCLUDE=${CMAKE_CURRENT_LIST_DIR}/syntax_only.cmake)
run(${CMAKE_COMMAND} --build ${SCRATCH} --target tapeloom_objects)
