# Programs that make Tapeloom a part of their own build, by add_subdirectory and FetchContent, and link it as an archive
# and as a shared object. All four are configured in one build tree, one after another, so that the library is compiled
# only once. The project is one that compiles everything with -ffast-math and turns warnings into errors, and that has
# added an op of its own.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/add_op.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/copy_sources.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
copy_sources(${SCRATCH}/source)
add_documented_op(${SCRATCH}/source ${SCRATCH}/own_op.cpp)
foreach(way add_subdirectory FetchContent)
  foreach(kind static shared)
    set(shared OFF)
    if(kind STREQUAL "shared")
      set(shared ON)
    endif()
    message("${way}, ${kind}")
    build_consumer(${SCRATCH}/build -DWAY=${way} -DTAPELOOM_SOURCE=${SCRATCH}/source -DBUILD_SHARED_LIBS=${shared}
                   -DOWN_OP=${SCRATCH}/own_op.cpp
                   -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -ffast-math -Wall -Werror")
    expect_kind(${SCRATCH}/build/consumer ${kind})
    run(${SCRATCH}/build/own_op)
    if(NOT output STREQUAL "0.7788 -0.7788\n")  # exp(-1/4) and -2 * 1/2 * exp(-1/4)
      message(FATAL_ERROR "the new op gives ${output}")
    endif()
  endforeach()
endforeach()
