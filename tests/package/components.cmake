# What find_package gives of an installed Tapeloom, asked in different ways; each in a directory of one project, since
# imported targets are known in their directory only.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
set(project "cmake_minimum_required(VERSION 3.22)\nproject(components LANGUAGES CXX)\n")

# expect_components(name expected lines...): the directory's last line tells which library tapeloom::tapeloom is.
macro(expect_components name expected)
  string(JOIN "\n" lines ${ARGN})
  file(WRITE ${SCRATCH}/${name}/CMakeLists.txt "${lines}
set(is \"none: \${tapeloom_NOT_FOUND_MESSAGE}\")
if(tapeloom_FOUND)
  get_target_property(is tapeloom::tapeloom ALIASED_TARGET)
endif()
if(NOT is MATCHES \"${expected}\")
  message(SEND_ERROR \"${name} is \${is} and not ${expected}\")
endif()\n")
  string(APPEND project "add_subdirectory(${name})\n")
endmacro()

expect_components(default "^tapeloom::static$" "find_package(tapeloom 0.1 REQUIRED)")
expect_components(preferred "^tapeloom::shared$" "set(BUILD_SHARED_LIBS ON)" "find_package(tapeloom REQUIRED)")
expect_components(static "^tapeloom::static$"
  "set(BUILD_SHARED_LIBS ON)" "find_package(tapeloom REQUIRED COMPONENTS static)")
expect_components(both "^tapeloom::shared$" "find_package(tapeloom REQUIRED COMPONENTS shared static)"
  "find_package(tapeloom REQUIRED)" "get_target_property(other tapeloom::static TYPE)")
# The shared object brings its own needs; a program that is linked with the archive has to find them.
expect_components(shared_alone "^tapeloom::shared$"
  "set(CMAKE_DISABLE_FIND_PACKAGE_ZLIB ON)" "find_package(tapeloom REQUIRED COMPONENTS shared)")
expect_components(static_alone "^none: .*ZLIB"
  "set(CMAKE_DISABLE_FIND_PACKAGE_ZLIB ON)" "find_package(tapeloom QUIET COMPONENTS static)")
expect_components(unknown "^none: .dynamic. is not installed here, but: static.shared$"
  "find_package(tapeloom QUIET COMPONENTS dynamic)")
# Until 1.0 a minor version may break what the one before it promised.
expect_components(later "^none: $" "find_package(tapeloom 0.999 QUIET)")
expect_components(major "^none: $" "find_package(tapeloom 1 QUIET)")

file(WRITE ${SCRATCH}/CMakeLists.txt "${project}")
run(${CMAKE_COMMAND} -S ${SCRATCH} -B ${SCRATCH}/build -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${PREFIX})
