# Targets tft_boost, tft_simdjson, tft_compression and OpenSSL::Crypto: what cpp/server is made with.
#
# Boost's headers (Asio and Beast, 1.81 or newer) are the system's (Debian: libboost1.81-dev), else fetched from PyPI
# (boost-headers); simdjson is fetched from npm (@nozbe/simdjson, its sources in two files). Both are checked by hash and kept
# in the cache folder. zlib, brotli and OpenSSL are the system's: libz.a and the like where they are there, so that the
# program needs none of them where it runs.
get_filename_component(tft_cache "${tft_headers_cache}" DIRECTORY)

# Brings one file of a registry into `folder`: `command` writes it into its working folder.
function(tft_fetch_package folder pattern hash command)
  if(EXISTS "${folder}")
    return()
  endif()
  # Under a temporary name first: two configurations may run at once.
  string(RANDOM LENGTH 12 suffix)
  set(fresh "${folder}.${suffix}")
  file(MAKE_DIRECTORY "${fresh}")
  execute_process(COMMAND ${command} WORKING_DIRECTORY "${fresh}" OUTPUT_QUIET ERROR_VARIABLE problem RESULT_VARIABLE status)
  file(GLOB package "${fresh}/${pattern}")
  if(NOT status EQUAL 0 OR NOT package)
    file(REMOVE_RECURSE "${fresh}")
    message(FATAL_ERROR "Could not fetch ${pattern}: ${problem}")
  endif()
  file(SHA256 "${package}" found)
  if(NOT found STREQUAL hash)
    file(REMOVE_RECURSE "${fresh}")
    message(FATAL_ERROR "${pattern} is not the file that is expected: SHA-256 ${found}, not ${hash}")
  endif()
  file(ARCHIVE_EXTRACT INPUT "${package}" DESTINATION "${fresh}")
  file(REMOVE "${package}")
  file(RENAME "${fresh}" "${folder}" RESULT renamed)
  file(REMOVE_RECURSE "${fresh}")
endfunction()

find_path(TFT_BOOST_INCLUDE boost/beast.hpp DOC "Folder with Boost's headers, 1.81 or newer")
if(TFT_BOOST_INCLUDE)
  file(STRINGS "${TFT_BOOST_INCLUDE}/boost/version.hpp" line REGEX "^#define BOOST_VERSION [0-9]+")
  string(REGEX REPLACE ".* " "" version "${line}")
endif()
if(NOT TFT_BOOST_INCLUDE OR version LESS 108100)
  find_program(TFT_PYTHON NAMES python3 python REQUIRED)
  set(folder "${tft_cache}/boost-headers-1.85.0.post1")
  tft_fetch_package("${folder}" "boost_headers-*.whl" 4510a571d3bf6c5e913b31d2a9b2441ee79f883ae42d42a5882dd1da46b35e7f
    "${TFT_PYTHON};-m;pip;download;--quiet;--no-deps;--only-binary=:all:;boost-headers==1.85.0.post1")
  set(TFT_BOOST_INCLUDE "${folder}/boost_headers/include" CACHE PATH "Folder with Boost's headers, 1.81 or newer" FORCE)
endif()
message(STATUS "Boost: ${TFT_BOOST_INCLUDE}")
add_library(tft_boost INTERFACE)
target_include_directories(tft_boost SYSTEM INTERFACE "${TFT_BOOST_INCLUDE}")
target_compile_definitions(tft_boost INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY)

find_program(TFT_NPM npm REQUIRED)
set(folder "${tft_cache}/simdjson-3.9.4")
tft_fetch_package("${folder}" "nozbe-simdjson-*.tgz" d5c2e068967f1c3061123813d9b6e58ae4b180eb9c8b65b3db9a7f26a2a8a5c1
  "${TFT_NPM};pack;--silent;@nozbe/simdjson@3.9.4")
message(STATUS "simdjson: ${folder}")
set(TFT_SIMDJSON "${folder}/package/src" CACHE INTERNAL "simdjson's sources")
add_library(tft_simdjson STATIC "${TFT_SIMDJSON}/simdjson.cpp")
target_include_directories(tft_simdjson SYSTEM PUBLIC "${TFT_SIMDJSON}")
target_compile_options(tft_simdjson PRIVATE -w)

# The static library of each where there is one.
function(tft_static_library result name)
  find_library(TFT_LIBRARY_${name} NAMES lib${name}.a ${name})
  if(NOT TFT_LIBRARY_${name})
    message(FATAL_ERROR "The server needs lib${name} (Debian: apt-get install zlib1g-dev libbrotli-dev libssl-dev)")
  endif()
  set(${result} "${TFT_LIBRARY_${name}}" PARENT_SCOPE)
endfunction()
add_library(tft_compression INTERFACE)
foreach(name z brotlienc brotlidec brotlicommon)
  tft_static_library(library ${name})
  target_link_libraries(tft_compression INTERFACE "${library}")
endforeach()
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
