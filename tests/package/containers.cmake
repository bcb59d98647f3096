# A program whose containers are not the library's does not link, and the complaint tells why. It calls nothing that takes
# a container, whose name alone would not be found.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
file(WRITE ${SCRATCH}/main.cpp "#include <tapeloom/tapeloom.h>
int main() {
  tapeloom::Tape tape;
  return tape.inputs(\"x\", 2).size() == 2 ? 0 : 1;
}
")
file(GLOB library ${PREFIX}/lib*/libtapeloom.a ${PREFIX}/lib*/*/libtapeloom.a)
set(build ${CXX} -std=c++20 -I${PREFIX}/include ${SCRATCH}/main.cpp ${library} -lz -lm -lpthread -o ${SCRATCH}/main)
find_library(mvec mvec)
if(mvec)
  list(APPEND build -lmvec -lm)
endif()
run(${build})
run(${SCRATCH}/main)
execute_process(COMMAND ${build} -D_GLIBCXX_DEBUG RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0 OR NOT output MATCHES "library_compiled_with_GLIBCXX_DEBUG")
  message(FATAL_ERROR "other containers were linked, or nobody is told: ${output}")
endif()
