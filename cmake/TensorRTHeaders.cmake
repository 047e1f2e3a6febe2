# Interface targets tft_tensorrt10_headers, tft_tensorrt11_headers and tft_tensorrt_rtx_headers: NVIDIA's headers of both
# major versions and of TensorRT for RTX.
#
# In this order: -DTFT_TENSORRT10_INCLUDE= (…11_…, …_RTX_…); an installed TensorRT of that kind and at
# least the version named below (TENSORRT_ROOT/include, the compiler's own folders); the cache folder; the Apache-2.0
# headers that the crate trtx-sys carries, copied into the cache folder
# ${XDG_CACHE_HOME:-~/.cache}/tft-tensorrt/headers. No TensorRT library is ever linked.
include(${CMAKE_CURRENT_LIST_DIR}/CrateFolder.cmake)

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(tft_headers_cache "$ENV{XDG_CACHE_HOME}/tft-tensorrt/headers")
else()
  set(tft_headers_cache "$ENV{HOME}/.cache/tft-tensorrt/headers")
endif()

# The version of TensorRT whose headers lie in `folder`, as "major.minor"; empty where there are none.
function(tft_headers_version result folder)
  set(${result} "" PARENT_SCOPE)
  if(NOT EXISTS "${folder}/NvInferVersion.h" OR NOT EXISTS "${folder}/NvInferRuntime.h")
    return()
  endif()
  file(STRINGS "${folder}/NvInferVersion.h" lines REGEX "^#define (NV_TENSORRT|TRT)_(MAJOR|MINOR)(_ENTERPRISE|_RTX)? [0-9]+")
  set(major "")
  set(minor "")
  foreach(line IN LISTS lines)
    if(line MATCHES "_MAJOR(_ENTERPRISE|_RTX)? ([0-9]+)")
      set(major ${CMAKE_MATCH_2})
    elseif(line MATCHES "_MINOR(_ENTERPRISE|_RTX)? ([0-9]+)")
      set(minor ${CMAKE_MATCH_2})
    endif()
  endforeach()
  if(NOT major STREQUAL "" AND NOT minor STREQUAL "")
    set(${result} "${major}.${minor}" PARENT_SCOPE)
  endif()
endfunction()

# `kind`: the major version, or _RTX, whose major versions count for themselves.
function(tft_tensorrt_headers kind major minimum crate_version crate_folder)
  set(variable TFT_TENSORRT${kind}_INCLUDE)
  string(TOLOWER "tft_tensorrt${kind}_headers" target)
  set(${variable} "" CACHE PATH "Folder with the headers of TensorRT${kind} ${major}, ${minimum} or newer")
  set(cached "${tft_headers_cache}/${crate_folder}")
  set(found "")
  if(${variable})
    set(candidates "${${variable}}")
  else()
    set(candidates "$ENV{TENSORRT_ROOT}/include" /usr/include/x86_64-linux-gnu /usr/include/aarch64-linux-gnu /usr/include
      /usr/local/include /usr/local/tensorrt/include "${cached}")
  endif()
  foreach(candidate IN LISTS candidates)
    tft_headers_version(version "${candidate}")
    if(version MATCHES "^${major}\\." AND version VERSION_GREATER_EQUAL minimum)
      set(found "${candidate}")
      break()
    endif()
  endforeach()

  if(NOT found AND NOT ${variable})
    tft_crate_folder(crate trtx-sys ${crate_version})
    set(source "${crate}/TensorRT-Headers/${crate_folder}")
    tft_headers_version(version "${source}")
    if(version)
      # Under a temporary name first: two configurations may run at once, and half a folder must not be taken for a whole.
      string(RANDOM LENGTH 12 suffix)
      file(COPY "${source}/" DESTINATION "${cached}.${suffix}")
      file(COPY "${crate}/TensorRT-Headers/cuda_runtime_api.h" DESTINATION "${cached}.${suffix}")
      file(RENAME "${cached}.${suffix}" "${cached}" RESULT renamed)
      if(NOT renamed STREQUAL "0")
        file(REMOVE_RECURSE "${cached}.${suffix}")
      endif()
      set(found "${cached}")
    endif()
  endif()
  if(NOT found)
    message(FATAL_ERROR "No headers of TensorRT${kind} ${major} (${minimum} or newer). Install TensorRT's development package, "
      "set ${variable} to the folder with NvInfer.h, or let them be fetched from crates.io, which failed.")
  endif()

  tft_headers_version(version "${found}")
  message(STATUS "TensorRT${kind} ${version} headers: ${found}")
  add_library(${target} INTERFACE)
  target_include_directories(${target} SYSTEM INTERFACE "${found}")
  if(NOT EXISTS "${found}/cuda_runtime_api.h")
    # An installed TensorRT expects CUDA's headers beside it; the two types it needs from them suffice.
    file(WRITE "${CMAKE_BINARY_DIR}/cuda-types/cuda_runtime_api.h"
      "#pragma once\ntypedef struct CUevent_st* cudaEvent_t;\ntypedef struct CUstream_st* cudaStream_t;\n")
    target_include_directories(${target} SYSTEM INTERFACE "${CMAKE_BINARY_DIR}/cuda-types")
  endif()
endfunction()

tft_tensorrt_headers(10 10 10.12 0.4.0 TRT-Enterprise-10.16)
tft_tensorrt_headers(11 11 11.0 0.9.1 TRT-Enterprise-11.4)
tft_tensorrt_headers(_RTX 1 1.7 0.9.1 TRT-RTX-1.7)
