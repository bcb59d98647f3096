# What one does wrong with Values and conditions does not compile, and the compiler names what to do.
#
#   cmake -DCXX=<compiler> -DINCLUDE=<directory> -DSCRATCH=<directory> -P condition_errors.cmake
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})

# compile(statement): whether it does, in `compiles`, and what the compiler says, in `said`.
function(compile statement)
  file(WRITE ${SCRATCH}/one.cpp "#include <tapeloom/core/record/value.h>
using namespace tapeloom;
Value one(Value x, Value y, bool flag) {
  (void)flag, (void)y;
  ${statement}
  return x;
}
")
  execute_process(COMMAND ${CXX} -std=c++20 -I${INCLUDE} -fsyntax-only ${SCRATCH}/one.cpp
    RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(result EQUAL 0)
    set(compiles TRUE PARENT_SCOPE)
  else()
    set(compiles FALSE PARENT_SCOPE)
  endif()
  set(said "${said}" PARENT_SCOPE)
endfunction()

function(expect_error statement name)
  compile("${statement}")
  if(compiles)
    message(SEND_ERROR "compiles: ${statement}")
  elseif(NOT said MATCHES "${name}")
    message(SEND_ERROR "${statement}: the compiler does not name ${name}:\n${said}")
  endif()
endfunction()
function(expect_none statement)
  compile("${statement}")
  if(NOT compiles)
    message(SEND_ERROR "does not compile: ${statement}\n${said}")
  endif()
endfunction()

expect_error("x = where(x > 0.0 && y > 0.0, x, y);" OneTruthForAllSamples)
expect_error("x = where(flag, x, y);" OneTruthForAllSamples)
expect_error("x = where(!x, x, y);" NumberIsNoTruthCompareIt)
expect_error("if (!x) return y;" NumberIsNoTruthCompareIt)
expect_error("if (x && y > 0.0) return y;" NumberIsNoTruthCompareIt)
expect_error("if (y > 0.0 || x) return y;" NumberIsNoTruthCompareIt)
expect_error("if (flag && x) return y;" NumberIsNoTruthCompareIt)
expect_error("if (x) return y;" "Value")
expect_error("if (0.0 < x < y) return y;" ChainOfComparisons)
expect_error("x = where(0.0 <= x <= 1.0, x, y);" ChainOfComparisons)
expect_error("auto count = x > 0.0; count += 1.0;" "operator\\+=")
expect_error("double number = x > 0.0;" "Condition")

expect_none("x = where((x > 0.0) & (y > 0.0), x, y);")
expect_none("x = where((x > 0.0) & flag, x, y);")
expect_none("if (x > 0.0 && flag) return y;")
expect_none("if (!(x > 0.0)) return y;")
expect_none("x = flag ? x : y;")
expect_none("Value count = x > 0.0; count += y > 0.0; x = count;")
