# A program that finds the installed and moved library with find_package, the KIND asked for, compiled with FLAGS.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

file(REMOVE_RECURSE ${SCRATCH})
build_consumer(${SCRATCH} -DWAY=find_package -DKIND=${KIND} -DCMAKE_PREFIX_PATH=${PREFIX} -DCMAKE_CXX_FLAGS=${FLAGS})
expect_kind(${SCRATCH}/consumer ${KIND})
