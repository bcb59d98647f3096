# What the library reads and writes does not follow the locale: it uses no function of the C library or of streams that
# does. std::to_string of a double is found too, since it calls vsnprintf. Run as
#
#   cmake -DLIBRARY=<libtapeloom.a> -DNM=<nm> -P locale_symbols.cmake
if(NOT NM OR NOT EXISTS "${NM}")
  message("SKIPPED: nm, which lists the symbols of an object, was not found (Debian: apt install binutils)")
  return()
endif()
execute_process(COMMAND ${NM} --undefined-only ${LIBRARY} OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "nm ${LIBRARY} failed")
endif()
string(REGEX REPLACE "[][;]" "," symbols "${symbols}")
string(REPLACE "\n" ";" symbols "${symbols}")

# Parts of names: formatted output and input, numbers in texts, kinds of characters, locales; streams of the C++
# library.
set(locale_functions "printf|scanf|strto[dfl]|wcsto|^ato[fil]|locale|langinfo|ctype|^isw?[a-z]+$|^tow?(upper|lower)$"
  "strcoll|strxfrm|^_ZNK?S[oid]|[io]stream|stringbuf|num_[pg]")
string(JOIN "|" locale_functions ${locale_functions})
set(objects 0)
set(numbers 0)
set(bad "")
foreach(line IN LISTS symbols)
  if(line MATCHES "^(.*)\\.o:$")
    set(object ${CMAKE_MATCH_1})
    math(EXPR objects "${objects} + 1")
  elseif(line MATCHES "^ +U ([A-Za-z0-9_.]+)")
    set(name ${CMAKE_MATCH_1})
    if(name MATCHES "^_ZSt(8to_chars|10from_chars)PK?c")
      math(EXPR numbers "${numbers} + 1")
    endif()
    # Broken promises of our own are reported with whole numbers, before the program is stopped.
    if(NOT name MATCHES "8tapeloom" AND name MATCHES "${locale_functions}" AND
       NOT "${object} ${name}" MATCHES "^(error|verify|compile)[.]cpp (__)?fprintf")
      string(APPEND bad "  ${object}: ${name}\n")
    endif()
  endif()
endforeach()
if(bad)
  message(FATAL_ERROR "functions that follow the locale; core/base/text.h, number_text.h and <charconv> have others:\n${bad}")
endif()
# This test has something to look at.
if(objects LESS 50 OR numbers LESS 3)
  message(FATAL_ERROR "only ${objects} objects in ${LIBRARY}, and ${numbers} uses of <charconv>")
endif()
message("${objects} objects, ${numbers} uses of <charconv>, no function that follows the locale")
