# Programs that make Tapeloom a part of their own build, by add_subdirectory and FetchContent, and link it as an archive
# and as a shared object. All four are configured in one build tree, one after another, so that the library is compiled
# only once. The project is one that compiles everything with -ffast-math and turns warnings into errors.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/copy_sources.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
copy_sources(${SCRATCH}/source)
foreach(way add_subdirectory FetchContent)
  foreach(kind static shared)
    set(shared OFF)
    if(kind STREQUAL "shared")
      set(shared ON)
    endif()
    message("${way}, ${kind}")
    build_consumer(${SCRATCH}/build -DWAY=${way} -DTAPELOOM_SOURCE=${SCRATCH}/source -DBUILD_SHARED_LIBS=${shared}
                   -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -ffast-math -Wall -Werror")
    expect_kind(${SCRATCH}/build/consumer ${kind})
  endforeach()
endforeach()
