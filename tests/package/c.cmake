# A program in C, linked by a compiler of C that knows nothing of C++: with what docs/c-interface.md says of pkg-config,
# with the shared object as README says, and by find_package in a project without C++. SHIP writes the program that it
# loads.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
file(COPY ${ROOT}/examples/docs/run.c DESTINATION ${SCRATCH})
file(RENAME ${SCRATCH}/run.c ${SCRATCH}/yours.c)
run(${CMAKE_COMMAND} -E chdir ${SCRATCH} ${SHIP})

# expect_runs(program kind)
function(expect_runs program kind)
  expect_kind(${program} ${kind})
  run(${CMAKE_COMMAND} -E chdir ${SCRATCH} ${CMAKE_COMMAND} -E env --unset=LD_LIBRARY_PATH ${program})
  if(NOT output STREQUAL
     "a loss below 0.01\n0 xor 0: 0.00\n0 xor 1: 1.00\n1 xor 0: 1.00\n1 xor 1: 0.00\n")
    message(SEND_ERROR "${program} prints\n${output}")
  endif()
endfunction()

foreach(kind static shared)
  file(WRITE ${SCRATCH}/CMakeLists.txt "cmake_minimum_required(VERSION 3.22)\nproject(yours LANGUAGES C)\n"
    "find_package(tapeloom 0.1 REQUIRED COMPONENTS ${kind})\nadd_executable(yours yours.c)\n"
    "target_link_libraries(yours PRIVATE tapeloom::tapeloom)\n")
  run(${CMAKE_COMMAND} -S ${SCRATCH} -B ${SCRATCH}/${kind} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE}
      -DCMAKE_C_COMPILER=${CC} -DCMAKE_PREFIX_PATH=${PREFIX})
  run(${CMAKE_COMMAND} --build ${SCRATCH}/${kind})
  expect_runs(${SCRATCH}/${kind}/yours ${kind})
endforeach()

find_program(pkg_config NAMES pkg-config pkgconf)
if(NOT pkg_config)
  message("SKIPPED: pkg-config was not found (Debian: apt install pkgconf)")
  return()
endif()
file(GLOB_RECURSE pc ${PREFIX}/tapeloom.pc)
get_filename_component(directory ${pc} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${directory})
file(READ ${ROOT}/docs/c-interface.md page)
string(REGEX MATCH "\ncc -[^\n]*" command "${page}")
if(NOT command)
  message(FATAL_ERROR "docs/c-interface.md has no command that begins with cc")
endif()
file(WRITE ${SCRATCH}/command.sh "set -e\ncc() { '${CC}' \"$@\"; }${command}")
run(${CMAKE_COMMAND} -E chdir ${SCRATCH} bash command.sh)
expect_runs(${SCRATCH}/yours static)

run(${pkg_config} --cflags tapeloom)
separate_arguments(compile UNIX_COMMAND "${output}")
run(${pkg_config} --libs --static tapeloom)
separate_arguments(static UNIX_COMMAND "${output}")
run(${CC} -std=c99 ${compile} ${SCRATCH}/yours.c -o ${SCRATCH}/static_alone -static ${static})
expect_runs(${SCRATCH}/static_alone static)
run(${pkg_config} --variable=libdir tapeloom)
string(STRIP "${output}" libraries)
run(${CC} -std=c99 ${compile} ${SCRATCH}/yours.c -o ${SCRATCH}/rpath -L${libraries} -ltapeloom
    -Wl,-rpath,${libraries})
expect_runs(${SCRATCH}/rpath shared)
