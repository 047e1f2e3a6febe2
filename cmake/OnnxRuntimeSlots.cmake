# Writes onnxruntime_slots.h: the place of each function in the table of ONNX Runtime's C API, which only grows.
#
# No registry has the C header itself, so the order is read from the crate ort-sys, whose Rust declarations follow it. Only the
# order is taken from there: the types of the functions in use are declared in cpp/onnxruntime/api.h.
include(${CMAKE_CURRENT_LIST_DIR}/CrateFolder.cmake)
set(tft_ort_sys_version 2.0.0-rc.15)
set(tft_ort_sys_hash f4e8236168f137e8543a5295557c58c6f47af83bab99c8e0eee0962feb44159f)

# `written` says whether the crate could be had.
function(tft_write_onnxruntime_slots output written)
  tft_crate_folder(crate ort-sys ${tft_ort_sys_version})
  if(NOT EXISTS "${crate}/src/lib.rs")
    set(${written} FALSE PARENT_SCOPE)
    return()
  endif()
  set(${written} TRUE PARENT_SCOPE)
  file(SHA256 "${crate}/src/lib.rs" hash)
  if(NOT hash STREQUAL tft_ort_sys_hash)
    message(FATAL_ERROR "${crate}/src/lib.rs is not the file that is expected: SHA-256 ${hash}, not ${tft_ort_sys_hash}")
  endif()
  file(READ "${crate}/src/lib.rs" text)
  string(FIND "${text}" "pub struct OrtApi {" begin)
  string(SUBSTRING "${text}" ${begin} -1 text)
  string(FIND "${text}" "\n}" end)
  string(SUBSTRING "${text}" 0 ${end} text)
  # A function has two declarations where its types depend on the platform.
  string(REGEX MATCHALL "\n\tpub [A-Za-z_0-9]+:" fields "${text}")
  list(TRANSFORM fields REPLACE "\n\tpub ([A-Za-z_0-9]+):" "\\1")
  list(REMOVE_DUPLICATES fields)
  list(JOIN fields ",\n  " lines)
  file(WRITE "${output}.new" "// Written by cmake/OnnxRuntimeSlots.cmake: the functions of ONNX Runtime's C API in their order.
#pragma once

namespace tft::onnxruntime {
enum class Slot {
  ${lines}
};
}  // namespace tft::onnxruntime
")
  configure_file("${output}.new" "${output}" COPYONLY)
endfunction()
