# Tapeloom on its own, with fast-math or a part of it among the flags: the library's numbers stay those of IEEE 754, and
# its shared object leaves subnormal numbers alone. Without exceptions among the flags it has its own. A source of the
# test is compiled and linked with the library's own flags, so that nothing of the library has to be.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

if(NOT GENERATOR STREQUAL "Ninja")
  message("SKIPPED: the shared object's flags are read from Ninja's file")
  return()
endif()

file(REMOVE_RECURSE ${SCRATCH})
file(WRITE ${SCRATCH}/numbers.cpp "#include <cmath>
double left_over(double a, double b) {
  if (a < b) throw a;
  return (a + b) - a;
}
bool is_number(double x) { return x == x && !std::isinf(x); }
double without_sign(double x) { return x + 0.0; }
double half(double x) { return 0.5 * x; }
double tenth() { return 0.1; }
")
file(WRITE ${SCRATCH}/main.cpp "#include <cmath>
#include <cstdio>
double left_over(double, double), without_sign(double), half(double), tenth();
bool is_number(double);
int main() {
  std::printf(\"%d%d%d%d%d%d\", left_over(1e16, 1.0) == 0.0, !is_number(NAN), !is_number(INFINITY),
              !std::signbit(without_sign(-0.0)), half(2e-310) != 0.0,
              std::fabs(10.0 * tenth() - 1.0) < 1e-15);
}
")

run(${CXX} --version)
if(output MATCHES "Free Software Foundation")
  set(flags_of_gcc "-fsingle-precision-constant")
endif()
foreach(flags "" "-ffast-math" "-ffast-math -fno-finite-math-only" "-ffinite-math-only"
        "-funsafe-math-optimizations -fno-signed-zeros" "-fassociative-math -fno-signed-zeros -fno-trapping-math"
        "-fno-exceptions" ${flags_of_gcc})
  set(build ${SCRATCH}/build)
  file(REMOVE_RECURSE ${build})
  run(${CMAKE_COMMAND} -S ${ROOT} -B ${build} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE} -DCMAKE_CXX_COMPILER=${CXX}
      -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DCMAKE_BUILD_TYPE=Release -DTAPELOOM_BUILD_TESTS=OFF
      -DTAPELOOM_BUILD_EXAMPLES=OFF -DTAPELOOM_BUILD_BENCH=OFF "-DCMAKE_CXX_FLAGS=${flags}")
  file(READ ${build}/compile_commands.json commands)
  string(JSON count LENGTH "${commands}")
  math(EXPR last "${count} - 1")
  foreach(i RANGE ${last})
    string(JSON source GET "${commands}" ${i} file)
    if(source STREQUAL "${ROOT}/core/record/evaluate.cpp")
      string(JSON command GET "${commands}" ${i} command)
      string(REGEX REPLACE " -o .*" "" command "${command}")
      separate_arguments(compile UNIX_COMMAND "${command}")
    endif()
  endforeach()
  file(READ ${build}/build.ninja rules)
  string(REGEX MATCH "build libtapeloom.so[^\n]*\n([^\n]+\n)*  LINK_FLAGS = ([^\n]*)" found "${rules}")
  separate_arguments(link UNIX_COMMAND "${flags} ${CMAKE_MATCH_2}")
  if(NOT compile OR NOT link)
    message(FATAL_ERROR "the library's commands were not found in ${build}")
  endif()
  list(FILTER link EXCLUDE REGEX "version-script|^-Xlinker$")
  run(${compile} -fvisibility=default -o ${SCRATCH}/numbers.o -c ${SCRATCH}/numbers.cpp)
  run(${CXX} -shared ${link} -o ${SCRATCH}/libnumbers.so ${SCRATCH}/numbers.o)
  run(${CXX} -O0 ${SCRATCH}/main.cpp ${SCRATCH}/libnumbers.so -Wl,-rpath,${SCRATCH} -o ${SCRATCH}/main)
  run(${SCRATCH}/main)
  if(NOT output STREQUAL "111111")
    message(SEND_ERROR "with \"${flags}\" the library's numbers are others: ${output}")
  endif()
endforeach()
