# Headers, libraries, and what find_package and pkg-config read. Nothing installed names a place of this machine: the
# whole tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What has been built is installed: one of the two kinds of library may be missing, as after building an example alone.
# Then it is not there for find_package and pkg-config either.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tapeloom)
set(tapeloom_check_built "set(tapeloom_any_built FALSE)")
foreach(kind IN LISTS tapeloom_kinds)
  string(APPEND tapeloom_check_built "
  set(tapeloom_${kind}_built FALSE)
  if(EXISTS \"$<TARGET_FILE:tapeloom_${kind}>\")
    set(tapeloom_${kind}_built TRUE)
    set(tapeloom_any_built TRUE)
  endif()")
endforeach()
string(APPEND tapeloom_check_built "
  if(NOT tapeloom_any_built)
    message(FATAL_ERROR \"Tapeloom has not been built; first: cmake --build ${PROJECT_BINARY_DIR}\")
  endif()")
install(CODE "${tapeloom_check_built}" ALL_COMPONENTS)
foreach(header IN LISTS tapeloom_public_headers)
  get_filename_component(room ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tapeloom/${room} COMPONENT tapeloom_development)
endforeach()

# Where code of an installation finds the directory of libraries; file(INSTALL) puts $DESTDIR before it by itself.
set(tapeloom_libraries "\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(tapeloom_libraries ${CMAKE_INSTALL_LIBDIR})
endif()
foreach(kind IN LISTS tapeloom_kinds)
  install(TARGETS tapeloom_${kind} EXPORT tapeloom-${kind}-targets OPTIONAL
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT tapeloom_runtime NAMELINK_COMPONENT tapeloom_development
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT tapeloom_development
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT tapeloom-${kind}-targets NAMESPACE tapeloom:: DESTINATION ${package} COMPONENT tapeloom_development)
  install(CODE "if(NOT tapeloom_${kind}_built)
    message(STATUS \"Not built and so not installed: the ${kind} library\")
    file(GLOB targets \"\$ENV{DESTDIR}${tapeloom_libraries}/cmake/tapeloom/tapeloom-${kind}-targets*.cmake\")
    file(REMOVE \${targets})
  endif()" COMPONENT tapeloom_development)
endforeach()

# Until 1.0 a minor version may break what the one before it promised.
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/tapeloom-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY ${compatibility})
install(FILES cmake/tapeloom-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/tapeloom-config-version.cmake
  DESTINATION ${package} COMPONENT tapeloom_development)

# Like find_package, pkg-config gives the archive where that is installed, with all that it needs: by its name, since a
# linker takes the shared object of two that are there, and programs then have to be told where it is.
foreach(directory INCLUDEDIR LIBDIR)
  set(tapeloom_pc_${directory} ${CMAKE_INSTALL_${directory}})
  if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_${directory}}")
    set(tapeloom_pc_${directory} "\${prefix}/${CMAKE_INSTALL_${directory}}")
  endif()
endforeach()
file(RELATIVE_PATH tapeloom_pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" tapeloom_pc_prefix ${tapeloom_pc_prefix})
foreach(kind IN LISTS tapeloom_kinds)
  set(tapeloom_pc_libs -ltapeloom)
  set(tapeloom_pc_packages "")
  if(kind STREQUAL "static")
    set(tapeloom_pc_libs -l:${CMAKE_STATIC_LIBRARY_PREFIX}tapeloom${CMAKE_STATIC_LIBRARY_SUFFIX})
    list(TRANSFORM tapeloom_system_libraries PREPEND " -l" OUTPUT_VARIABLE system_libraries)
    string(JOIN "" tapeloom_pc_libs ${tapeloom_pc_libs} ${system_libraries})
    set(tapeloom_pc_packages " zlib")
  endif()
  configure_file(cmake/tapeloom.pc.in ${kind}/tapeloom.pc @ONLY)
endforeach()
install(CODE "set(kind static)
  if(NOT tapeloom_static_built)
    set(kind shared)
  endif()
  file(INSTALL \"${CMAKE_CURRENT_BINARY_DIR}/\${kind}/tapeloom.pc\" DESTINATION
    \"${tapeloom_libraries}/pkgconfig\")" COMPONENT tapeloom_development)
