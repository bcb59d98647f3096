# What libtapeloom.so exports: all of the public interface and nothing else. By mangled names, since the demangled ones
# of templates begin with what they return; c++filt tells what a complaint is about.
cmake_minimum_required(VERSION 3.22)
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

if(NOT NM OR NOT EXISTS "${NM}")
  message("SKIPPED: nm, which lists the symbols of a library, was not found (Debian: apt install binutils)")
  return()
endif()

# read_symbols(result types options...): the names of the symbols of these types, as nm's letters have them.
function(read_symbols result types)
  run(${NM} --defined-only ${ARGN})
  string(REGEX MATCHALL "[0-9a-f]+ [${types}] [^\n]+" lines "${output}")
  string(REGEX REPLACE "[0-9a-f]+ [${types}] ([^;]+)" "\\1" names "${lines}")
  list(REMOVE_DUPLICATES names)
  set(${result} "${names}" PARENT_SCOPE)
endfunction()

# Beginnings of names in the public namespace, and in those for what is inside the library.
inline_namespace(${VERSION} abi)
string(LENGTH ${abi} length)
set(public "NK?8tapeloom${length}${abi}")
set(inside "${public}(8compiler|7runtime|3ops|4cost|12instructions|9Gradients|10fail_check|10find_fault|18development_checks|22set_development_checks|.*I[fd]E5State)")

read_symbols(exported "A-Za-z" --dynamic ${SHARED})
set(bad "")
foreach(symbol IN LISTS exported)
  if(NOT symbol MATCHES "^_Z(TI|TS|TV)?${public}[0-9a-z]" OR symbol MATCHES "^_Z(TI|TS|TV)?${inside}")
    string(APPEND bad "  ${symbol}\n")
  endif()
endforeach()
if(bad)
  message(SEND_ERROR "exported, but no part of the public interface:\n${bad}")
endif()

# A function of the public namespace that is not exported either is not public, and then it belongs into one of the
# others, or TAPELOOM_API was forgotten.
read_symbols(archived "T" ${STATIC})
set(functions 0)
set(bad "")
foreach(symbol IN LISTS archived)
  if(symbol MATCHES "^_Z${public}" AND NOT symbol MATCHES "^_Z${inside}")
    math(EXPR functions "${functions} + 1")
    if(NOT symbol IN_LIST exported)
      string(APPEND bad "  ${symbol}\n")
    endif()
  endif()
endforeach()
if(bad)
  message(SEND_ERROR "declared without TAPELOOM_API (if internal: outside namespaces compiler and runtime):\n${bad}")
endif()

# Templates are exported where they were instantiated, under the same condition.
file(GLOB_RECURSE headers ${INCLUDE}/*.h)
set(templates 0)
foreach(header IN LISTS headers)
  file(STRINGS ${header} lines REGEX "^extern template class")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^extern template class ([A-Za-z0-9_]+)<([a-z])[a-z]*>.*" "\\1;\\2" name "${line}")
    list(GET name 0 class)
    list(GET name 1 letter)
    string(LENGTH ${class} length)
    math(EXPR templates "${templates} + 1")
    if(NOT "${exported}" MATCHES "_Z${public}${length}${class}I${letter}E")
      message(SEND_ERROR "${class} is declared without TAPELOOM_API, so nothing of it is exported")
    endif()
  endforeach()
endforeach()

# This test has something to look at.
if(functions LESS 50 OR templates LESS 6)
  message(SEND_ERROR "only ${functions} functions in ${STATIC}, and ${templates} templates in ${INCLUDE}")
endif()
list(LENGTH exported count)
message("${count} symbols, ${functions} functions that are no templates, ${templates} templates of classes")
