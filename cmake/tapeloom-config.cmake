# find_package(tapeloom [COMPONENTS static | shared]) gives
#
#   tapeloom::static     the archive, if it is installed
#   tapeloom::shared     the shared object, if it is installed
#   tapeloom::tapeloom   one of the two: the first component asked for; without components the shared object where
#                        BUILD_SHARED_LIBS is on and the archive where it is not, or else the one that is installed

set(_tapeloom_known static shared)
set(_tapeloom_installed "")
foreach(_tapeloom_kind IN LISTS _tapeloom_known)
  if(EXISTS "${CMAKE_CURRENT_LIST_DIR}/tapeloom-${_tapeloom_kind}-targets.cmake")
    list(APPEND _tapeloom_installed ${_tapeloom_kind})
  endif()
endforeach()

set(_tapeloom_wanted "${tapeloom_FIND_COMPONENTS}")
if(NOT _tapeloom_wanted)
  set(_tapeloom_wanted static)
  if(BUILD_SHARED_LIBS)
    set(_tapeloom_wanted shared)
  endif()
  if(NOT _tapeloom_wanted IN_LIST _tapeloom_installed)
    set(_tapeloom_wanted ${_tapeloom_installed})
  endif()
endif()

set(tapeloom_FOUND TRUE)
foreach(_tapeloom_kind IN LISTS _tapeloom_wanted)
  set(tapeloom_${_tapeloom_kind}_FOUND TRUE)
  if(NOT _tapeloom_kind IN_LIST _tapeloom_installed)
    set(tapeloom_${_tapeloom_kind}_FOUND FALSE)
    if(tapeloom_FIND_REQUIRED_${_tapeloom_kind} OR NOT _tapeloom_kind IN_LIST _tapeloom_known)
      set(tapeloom_FOUND FALSE)
      set(tapeloom_NOT_FOUND_MESSAGE "\"${_tapeloom_kind}\" is not installed here, but: ${_tapeloom_installed}")
    endif()
  endif()
endforeach()

if(tapeloom_FOUND)
  # Programs that are linked with the archive are linked with what it needs.
  if("static" IN_LIST _tapeloom_wanted AND "static" IN_LIST _tapeloom_installed)
    include(CMakeFindDependencyMacro)
    find_dependency(ZLIB)
  elseif("static" IN_LIST _tapeloom_installed)
    find_package(ZLIB QUIET)
    if(NOT ZLIB_FOUND)
      list(REMOVE_ITEM _tapeloom_installed static)
    endif()
  endif()
  foreach(_tapeloom_kind IN LISTS _tapeloom_installed)
    include("${CMAKE_CURRENT_LIST_DIR}/tapeloom-${_tapeloom_kind}-targets.cmake")
  endforeach()
  foreach(_tapeloom_kind IN LISTS _tapeloom_wanted)
    if(TARGET tapeloom::${_tapeloom_kind} AND NOT TARGET tapeloom::tapeloom)
      add_library(tapeloom::tapeloom ALIAS tapeloom::${_tapeloom_kind})
    endif()
  endforeach()
endif()

unset(_tapeloom_known)
unset(_tapeloom_installed)
unset(_tapeloom_wanted)
unset(_tapeloom_kind)
