# A program whose types of the standard library are not the library's does not link, and the complaint tells why; with
# flags that leave them alone it links and runs.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
# It calls nothing that takes such a type, since then the function's name alone would not be found.
file(WRITE ${SCRATCH}/main.cpp "#include <tapeloom/tapeloom.h>
int main() {
  using namespace tapeloom;
  Tape tape;
  const std::vector<Value> x = tape.inputs(\"x\", 2);
  Executor<double> executor(compile(batch_sum(x[0] * tape.parameter(3.0)), {.outputs = {x[1]}}));
  const double rows[] = {1, 2, 3, 4};
  executor.bind(rows);
  const std::string text = to_string(tape);
  const bool right = executor.step() == 12 && executor.gradients()[0] == 4 && executor.outputs()[1] == 4;
  return right && executor.program().input_groups[0].name == \"x\" && text.find(\"parameter 0\") < text.size() ? 0 : 1;
}
")
set(libraries ${PREFIX}/lib*/libtapeloom. ${PREFIX}/lib*/*/libtapeloom.)
list(TRANSFORM libraries APPEND a OUTPUT_VARIABLE archives)
list(TRANSFORM libraries APPEND so OUTPUT_VARIABLE shared_objects)
file(GLOB archive ${archives})
file(GLOB shared_object ${shared_objects})
find_library(mvec mvec)
set(system -lz -lm -lpthread)
if(mvec)
  list(APPEND system -lmvec -lm)
endif()

# compile_program(compiler flags...) and link_program(compiler library flags...): leave the compiler's result and
# output.
macro(compile_program compiler)
  execute_process(COMMAND ${compiler} -std=c++20 -I${PREFIX}/include ${ARGN} -c ${SCRATCH}/main.cpp -o ${SCRATCH}/main.o
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
endmacro()
macro(link_program compiler library)
  execute_process(COMMAND ${compiler} ${ARGN} ${SCRATCH}/main.o ${library} ${system} -o ${SCRATCH}/main
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
endmacro()

# refused(complaint compiler flags...): by the compiler, or by the linker with either library.
function(refused complaint compiler)
  compile_program(${compiler} ${ARGN})
  foreach(library ${archive} ${shared_object})
    if(EXISTS ${SCRATCH}/main.o)
      link_program(${compiler} ${library} ${ARGN})
    endif()
    if(result EQUAL 0 OR NOT output MATCHES "${complaint}")
      message(SEND_ERROR "${compiler} ${ARGN} was linked with ${library}, or nobody is told why not: ${output}")
    endif()
  endforeach()
  file(REMOVE ${SCRATCH}/main.o)
endfunction()

# runs(compiler flags...)
function(runs compiler)
  compile_program(${compiler} ${ARGN})
  if(result EQUAL 0)
    link_program(${compiler} ${archive} ${ARGN})
  endif()
  if(result EQUAL 0)
    execute_process(COMMAND ${SCRATCH}/main RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  endif()
  if(NOT result EQUAL 0)
    message(SEND_ERROR "${compiler} ${ARGN} gives ${result}: ${output}")
  endif()
  file(REMOVE ${SCRATCH}/main.o)
endfunction()

runs(${CXX} -O0)
refused(library_compiled_with_GLIBCXX_DEBUG ${CXX} -D_GLIBCXX_DEBUG)
refused(library_compiled_without_GLIBCXX_USE_CXX11_ABI ${CXX} -D_GLIBCXX_USE_CXX11_ABI=0)
# Linkers may leave out what nothing refers to.
refused(library_compiled_without_GLIBCXX_USE_CXX11_ABI ${CXX} -D_GLIBCXX_USE_CXX11_ABI=0 -O2 -ffunction-sections
  -fdata-sections -Wl,--gc-sections)
refused("packed" ${CXX} -fpack-struct=1)
runs(${CXX} -fno-exceptions -fno-rtti -fno-threadsafe-statics)
runs(${CXX} -D_GLIBCXX_ASSERTIONS -DNDEBUG -std=c++2b)
runs(${CXX} -fshort-enums -fshort-wchar -funsigned-char)
runs(${CXX} -O3 -march=native -ffast-math -flto -fvisibility=hidden)

# The other compiler that is here, and its own standard library.
find_program(clang NAMES clang++ clang++-14)
find_program(gcc NAMES g++)
foreach(other clang gcc)
  if(${other})
    runs(${${other}} -O1)
  else()
    message("not tried: ${other} is not installed")
  endif()
endforeach()
file(WRITE ${SCRATCH}/libcxx.cpp "#include <vector>\nint main() { return std::vector<int>(3).size() == 3 ? 0 : 1; }\n")
set(libcxx_found 1)
if(clang)
  execute_process(COMMAND ${clang} -stdlib=libc++ ${SCRATCH}/libcxx.cpp -o ${SCRATCH}/libcxx
                  RESULT_VARIABLE libcxx_found OUTPUT_QUIET ERROR_QUIET)
endif()
if(libcxx_found EQUAL 0)
  refused(library_compiled_with_libcxx ${clang} -stdlib=libc++)
else()
  message("not tried: clang's libc++ is not installed (Debian: libc++-dev)")
endif()
