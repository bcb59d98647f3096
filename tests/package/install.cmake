# Installs the build tree to a prefix and moves that to another place, where the other tests find it.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH} ${PREFIX})
run(${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --prefix ${SCRATCH}/prefix)
file(RENAME ${SCRATCH}/prefix ${PREFIX})

# Nothing that is read by a compiler or a build tool names the place it was installed to, nor that of the sources.
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
file(GLOB_RECURSE texts ${PREFIX}/*.h ${PREFIX}/*.def ${PREFIX}/*.cmake ${PREFIX}/*.pc)
list(LENGTH texts count)
if(count LESS 10)
  message(FATAL_ERROR "only ${count} files in ${PREFIX}: ${texts}")
endif()
foreach(file IN LISTS texts)
  file(READ ${file} text)
  foreach(place ${root} ${BUILD} ${SCRATCH})
    string(FIND "${text}" "${place}" position)
    if(NOT position EQUAL -1)
      message(SEND_ERROR "${file} names ${place}")
    endif()
  endforeach()
endforeach()
