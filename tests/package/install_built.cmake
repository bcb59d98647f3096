# An installation has what has been built: one kind of library alone, as scripts/demo.sh leaves it, or an error that
# says that nothing has been built. What is there is put into the build trees as if it had been built in them.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
set(project "cmake_minimum_required(VERSION 3.22)\nproject(finds LANGUAGES CXX)\nfind_package(tapeloom REQUIRED)
get_target_property(is tapeloom::tapeloom ALIASED_TARGET)\nmessage(STATUS \"found \${is}\")\n")
file(WRITE ${SCRATCH}/finds/CMakeLists.txt "${project}")
set(toolchain -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE} -DCMAKE_CXX_COMPILER=${CXX})

# install_with(name libraries...): installs a build tree of that name that has these libraries to ${SCRATCH}/name.
macro(install_with name)
  set(build ${SCRATCH}/build_${name})
  run(${CMAKE_COMMAND} -S ${ROOT} -B ${build} ${toolchain} -DTAPELOOM_BUILD_TESTS=OFF -DTAPELOOM_BUILD_EXAMPLES=OFF
      -DTAPELOOM_BUILD_BENCH=OFF -DCMAKE_INSTALL_LIBDIR=lib)
  foreach(library ${ARGN})
    file(COPY ${library} DESTINATION ${build})
  endforeach()
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${build} --prefix ${SCRATCH}/${name}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
endmacro()

# expect(name kind pc): that find_package finds this kind, and what pkg-config links with.
function(expect name kind pc)
  if(NOT result EQUAL 0)
    message(SEND_ERROR "the ${kind} library alone cannot be installed: ${output}")
    return()
  endif()
  run(${CMAKE_COMMAND} -S ${SCRATCH}/finds -B ${SCRATCH}/finds_${name} ${toolchain} -DCMAKE_PREFIX_PATH=${SCRATCH}/${name})
  if(NOT output MATCHES "found tapeloom::${kind}\n")
    message(SEND_ERROR "find_package does not find the ${kind} library: ${output}")
  endif()
  file(STRINGS ${SCRATCH}/${name}/lib/pkgconfig/tapeloom.pc libs REGEX "^Libs:")
  if(NOT libs MATCHES "${pc}")
    message(SEND_ERROR "pkg-config links with ${libs}, although only the ${kind} library is installed")
  endif()
endfunction()

install_with(archive ${STATIC})
expect(archive static "-l:libtapeloom[.]a ")
file(GLOB shared_objects ${SHARED}*)
install_with(shared_object ${shared_objects})
expect(shared_object shared "-ltapeloom$")
install_with(nothing)
if(result EQUAL 0 OR NOT output MATCHES "has not been built; first: cmake --build" OR EXISTS ${SCRATCH}/nothing)
  message(SEND_ERROR "a library that has not been built is installed, or nobody is told: ${output}")
endif()
