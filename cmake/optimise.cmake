# The library is optimised unless somebody says otherwise. A project without a build type, which does not think of it,
# compiles without optimisation, and steps of the library would take 4 to 11 times as long. Says what is done; what is
# done concerns the library's own sources alone.
set(TAPELOOM_OPTIMISE "" CACHE STRING
  "ON, OFF or empty: optimise the library where neither the build type nor flags say anything about it")
set_property(CACHE TAPELOOM_OPTIMISE PROPERTY STRINGS "" ON OFF)

set(optimising -O3 -DNDEBUG)  # as CMake's Release has it
string(JOIN " " optimising_text ${optimising})
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
get_directory_property(options COMPILE_OPTIONS)
set(flags "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}} ${options}")
string(REGEX MATCH "(^|[ ;])-O[^ ;]*" said "${flags}")
string(REGEX REPLACE "^[ ;]" "" said "${said}")

set(optimise ${TAPELOOM_OPTIMISE})
if(CMAKE_CONFIGURATION_TYPES)
  set(what "as each configuration says")
elseif(said)
  set(what "with ${said}")
elseif(build_type STREQUAL "DEBUG")
  set(what "for Debug: slow; TAPELOOM_OPTIMISE=ON optimises the library alone")
elseif(TAPELOOM_OPTIMISE STREQUAL "")
  set(optimise ON)
  set(what "with ${optimising_text}, since nothing is said of optimisation; TAPELOOM_OPTIMISE=OFF leaves that out")
else()
  set(what "without optimisation: slow")
endif()
if(optimise)
  target_compile_options(tapeloom_objects PRIVATE ${optimising})
  if(NOT TAPELOOM_OPTIMISE STREQUAL "")
    set(what "with ${optimising_text}, as TAPELOOM_OPTIMISE says")
  endif()
endif()
message(STATUS "Tapeloom ${PROJECT_VERSION} is compiled ${what}")
foreach(name optimising optimising_text build_type options flags said optimise what)
  unset(${name})
endforeach()
