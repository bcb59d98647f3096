# Checks which room includes which, from the include lines: cmake -DROOT=<project> -P rooms.cmake
#
#   compiler -> core <- runtime     and nothing else but tapeloom/version.h
#   Eigen                           in runtime's sources and the internal headers listed below, which only sources and
#                                   each other include: its alignment changes with the user's flags
#   bench/closure_baseline.h        the standard library alone
#
# Inside a room our own headers are written "tapeloom/room/file.h", so that this check sees them all.

cmake_minimum_required(VERSION 3.22)

set(own_core "tapeloom/core/")
set(own_compiler "tapeloom/(core|compiler)/")
set(own_runtime "tapeloom/(core|runtime)/")

set(eigen_headers arena.h interpreter.h parameter_buffer.h tile_runner.h)

set(wrong "")
set(checked 0)

function(complain file line why)
  file(RELATIVE_PATH file ${ROOT} ${file})
  set(wrong "${wrong}\n  ${file}: ${line}\n      ${why}" PARENT_SCOPE)
endfunction()

macro(read_includes file)
  file(STRINGS ${file} includes REGEX "^[ \t]*#[ \t]*(include|import)")
endmacro()

string(REPLACE ";" "|" eigen_names "${eigen_headers}")
set(brings_eigen "Eigen|tapeloom/runtime/(${eigen_names})\"")

foreach(room core compiler runtime)
  file(GLOB_RECURSE files ${ROOT}/${room}/*.h ${ROOT}/${room}/*.cpp ${ROOT}/${room}/*.def ${ROOT}/${room}/*.inc)
  foreach(file ${files})
    get_filename_component(name ${file} NAME)
    set(may_use_eigen FALSE)
    if(room STREQUAL "runtime" AND (name MATCHES "[.]cpp$" OR name IN_LIST eigen_headers))
      set(may_use_eigen TRUE)
    endif()
    math(EXPR checked "${checked} + 1")
    read_includes(${file})
    foreach(line ${includes})
      if(line MATCHES "${brings_eigen}" AND NOT may_use_eigen)
        complain(${file} "${line}" "Eigen stays inside runtime/, out of what users include")
      elseif(line MATCHES "include[ \t]*<Eigen/[A-Za-z]+>")
      elseif(line MATCHES "include[ \t]*\"")
        if(NOT line MATCHES "include[ \t]*\"(${own_${room}}[a-z0-9_]+[.](h|def|inc)|tapeloom/version[.]h)\"")
          complain(${file} "${line}" "${room}/ may include \"${own_${room}}...\" and no other of our headers")
        endif()
      elseif(NOT line MATCHES "include[ \t]*<[a-z0-9_./]+>" OR line MATCHES "tapeloom")
        complain(${file} "${line}" "neither \"tapeloom/room/file.h\" nor a system header")
      endif()
    endforeach()
  endforeach()
endforeach()

set(baseline ${ROOT}/bench/closure_baseline.h)
if(EXISTS ${baseline})
  math(EXPR checked "${checked} + 1")
  read_includes(${baseline})
  foreach(line ${includes})
    if(NOT line MATCHES "include[ \t]*<[a-z_]+>")
      complain(${baseline} "${line}" "the baseline depends on the standard library alone")
    endif()
  endforeach()
else()
  complain(${baseline} "" "is missing")
endif()

if(checked LESS 10)
  message(FATAL_ERROR "only ${checked} files found below ${ROOT}: this checks nothing")
endif()
if(wrong)
  message(FATAL_ERROR "wrong includes:${wrong}")
endif()
message(STATUS "include lines of ${checked} files are as they should be")
