# A program that is compiled by hand with what pkg-config says of the installed and moved library.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

find_program(pkg_config NAMES pkg-config pkgconf)
if(NOT pkg_config)
  message("SKIPPED: pkg-config was not found (Debian: apt install pkgconf)")
  return()
endif()

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
file(GLOB_RECURSE pc ${PREFIX}/tapeloom.pc)
get_filename_component(directory ${pc} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${directory})

run(${pkg_config} --modversion tapeloom)
string(STRIP "${output}" output)
if(NOT output STREQUAL VERSION)
  message(FATAL_ERROR "pkg-config says version ${output} of ${VERSION}")
endif()

set(consumer ${CMAKE_CURRENT_LIST_DIR}/consumer)
run(${pkg_config} --cflags tapeloom)
separate_arguments(compile UNIX_COMMAND "${FLAGS} ${output}")

# link_and_run(name arguments...): with these arguments for the linker; the program finds all it needs by itself.
function(link_and_run name)
  run(${CXX} -std=c++20 ${compile} ${consumer}/main.cpp ${consumer}/second.cpp -o ${SCRATCH}/${name} ${ARGN})
  expect_kind(${SCRATCH}/${name} ${KIND})
  run(${CMAKE_COMMAND} -E env --unset=LD_LIBRARY_PATH ${SCRATCH}/${name})
  message("${output}")
endfunction()

if(KIND STREQUAL "shared")
  # As README says.
  run(${pkg_config} --variable=libdir tapeloom)
  string(STRIP "${output}" libraries)
  link_and_run(rpath -L${libraries} -ltapeloom -Wl,-rpath,${libraries})
  return()
endif()

# The archive, although the shared object lies beside it; -static makes a program without any shared object.
file(GLOB shared_object ${directory}/../libtapeloom.so)
if(NOT shared_object)
  message(FATAL_ERROR "there is no shared object that could be taken for the archive")
endif()
run(${pkg_config} --libs tapeloom)
separate_arguments(plain UNIX_COMMAND "${output}")
link_and_run(plain ${plain})
run(${pkg_config} --libs --static tapeloom)
separate_arguments(static UNIX_COMMAND "${output}")
link_and_run(static ${static})
link_and_run(static_alone -static ${static})
