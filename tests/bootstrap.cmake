# scripts/bootstrap.sh asks for what is missing and for nothing else, with compilers as CMake takes them. Its commands
# are stubs, and so nothing is installed.
#
#   cmake -DROOT=<project> -DSCRATCH=<directory> -P bootstrap.cmake
cmake_minimum_required(VERSION 3.22)

find_program(bash NAMES bash)
file(REMOVE_RECURSE ${SCRATCH})
foreach(command c++ g++ ccache cmake ninja pkg-config valgrind)
  file(WRITE ${SCRATCH}/${command} "#!${bash}\n")
endforeach()
file(WRITE ${SCRATCH}/dpkg-query "#!${bash}\necho -n installed\n")
file(WRITE ${SCRATCH}/apt-get "#!${bash}\n")
foreach(command env sudo)  # as root, and as somebody else
  file(WRITE ${SCRATCH}/${command} "#!${bash}\n")
endforeach()
file(GLOB stubs ${SCRATCH}/*)
file(CHMOD ${stubs} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)

# expect(compiler says): what the script says where CXX is this.
function(expect compiler says)
  set(ENV{PATH} ${SCRATCH})
  set(ENV{CXX} ${compiler})
  execute_process(COMMAND ${bash} ${ROOT}/scripts/bootstrap.sh OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT output STREQUAL "${says}")
    message(SEND_ERROR "CXX=\"${compiler}\": bootstrap.sh ends with ${result} and says \"${output}\"")
  endif()
endfunction()

set(nothing "")
expect("" "${nothing}")
expect("g++" "${nothing}")
expect("ccache g++" "${nothing}")
expect("g++ -m64" "${nothing}")
expect("none++" "bootstrap: installing g++\nbootstrap: done\n")
