# Runs the walk through the notebooks and compares its whole text with the golden file:
#
#   cmake -DPROGRAM=<notebooks> -DSCRATCH=<directory> -DGOLDEN=<golden/notebooks.txt> -P notebooks.cmake
#
# To regenerate the golden file, after having understood every line that changed:
#
#   build/<preset>/examples/notebooks /tmp/notebooks > tests/golden/notebooks.txt
#
# Figures with 16 digits hold for glibc's exp; another libm may differ in the last digit.

cmake_minimum_required(VERSION 3.22)

file(MAKE_DIRECTORY ${SCRATCH})
execute_process(COMMAND ${PROGRAM} ${SCRATCH} OUTPUT_FILE ${SCRATCH}/notebooks.txt RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} failed: ${result}")
endif()

# What the one notebook saved with its outputs shows. Here too, so that regenerating cannot lose it.
file(READ ${SCRATCH}/notebooks.txt text)
foreach(figure
    "5.230518" "0.034212" "0.014531" "0.008926" "0.006351" "0.004950"
    "predicted +0.9663, target +1.0" "predicted -0.9816, target -1.0" "predicted -0.9516, target -1.0"
    "-0.9917" "[0.5817270619168307, -0.7878755440086811, -0.9983781851034335]" "-0.5063, 37 parameters"
    "14.0003")
  string(FIND "${text}" "${figure}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "the notebook's ${figure} is not printed; see ${SCRATCH}/notebooks.txt")
  endif()
endforeach()
foreach(complaint "NOT the number" "OTHER" "WRONG")
  string(FIND "${text}" "${complaint}" place)
  if(NOT place EQUAL -1)
    message(FATAL_ERROR "the walk itself found a difference (${complaint}); see ${SCRATCH}/notebooks.txt")
  endif()
endforeach()

execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${GOLDEN} ${SCRATCH}/notebooks.txt RESULT_VARIABLE different)
if(different)
  find_program(diff diff)
  if(diff)
    execute_process(COMMAND ${diff} -u ${GOLDEN} ${SCRATCH}/notebooks.txt)
  endif()
  message(FATAL_ERROR "${SCRATCH}/notebooks.txt differs from ${GOLDEN}")
endif()

foreach(picture tanh.svg relu_against_tanh.svg)
  if(NOT EXISTS ${SCRATCH}/${picture})
    message(FATAL_ERROR "${picture} was not written")
  endif()
endforeach()
