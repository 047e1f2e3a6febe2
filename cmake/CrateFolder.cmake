# tft_crate_folder(RESULT NAME VERSION): the folder with the sources of a crate, brought by cargo from its registry or, where
# there is no cargo or one that is too old for the crate (Debian 12's), downloaded from there.
# Only sources are wanted: nothing of the crate is compiled. Each crate gets a manifest of its own, since two versions
# of a crate that declares `links` cannot share one.

# The file of each crate in the registry, and its SHA-256, which cargo knows by itself.
set(tft_crate_files
  trtx-sys@0.4.0 trtx-sys-0.4.0 44e29236a965ef87398a0cb398f69e7a83b0eead80578cea5bbe1131363955ee
  trtx-sys@0.9.1 trtx-sys-0.9.1+rtx1.7 5480ee056292951daa1bc74532162d6cb75190f091e45d7d97c0c356916ae171
  ort-sys@2.0.0-rc.15 ort-sys-2.0.0-rc.15 8d22b0417f1838db5a3ac0b3f98dfe39f6fb73624aa0a27c6bbb5040b9c7db2b
  librocksdb-sys@6.20.3 librocksdb-sys-6.20.3 c309a9d2470844aceb9a4a098cf5286154d20596868b75a6b36357d2bb9ca25d)

function(tft_crate_folder result name version)
  find_program(TFT_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin")
  set(manifest "${CMAKE_BINARY_DIR}/crates/${name}@${version}")
  set(status "")
  if(TFT_CARGO)
    file(WRITE "${manifest}/Cargo.toml" "[package]\nname = \"sources-of-${name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n"
      "[lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n${name} = \"=${version}\"\n")
    file(WRITE "${manifest}/lib.rs" "")
    message(STATUS "Fetching the sources of crate ${name} ${version} with cargo")
    execute_process(
      COMMAND "${TFT_CARGO}" metadata --quiet --format-version 1
      WORKING_DIRECTORY "${manifest}" OUTPUT_VARIABLE metadata ERROR_VARIABLE problem RESULT_VARIABLE status)
  endif()
  if(NOT status STREQUAL "0")
    if(TFT_CARGO)
      message(STATUS "cargo could not fetch ${name} ${version}: ${problem}")
    endif()
    tft_download_crate(folder ${name} ${version})
    set(${result} "${folder}" PARENT_SCOPE)
    return()
  endif()
  string(REGEX MATCH "\"manifest_path\":\"([^\"]*/${name}-[0-9][^\"/]*)/Cargo.toml\"" _ "${metadata}")
  set(${result} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

# The result is empty where the crate cannot be had.
function(tft_download_crate result name version)
  set(${result} "" PARENT_SCOPE)
  list(FIND tft_crate_files ${name}@${version} at)
  if(at EQUAL -1)
    return()
  endif()
  math(EXPR at_file "${at} + 1")
  math(EXPR at_hash "${at} + 2")
  list(GET tft_crate_files ${at_file} file)
  list(GET tft_crate_files ${at_hash} wanted)
  set(folder "${CMAKE_BINARY_DIR}/crates/downloaded")
  if(NOT EXISTS "${folder}/${file}/Cargo.toml")
    string(REPLACE "+" "%2B" encoded "${file}")
    set(archive "${folder}/${file}.crate")
    message(STATUS "Downloading the sources of crate ${name} ${version}")
    file(DOWNLOAD "https://static.crates.io/crates/${name}/${encoded}.crate" "${archive}" STATUS status TLS_VERIFY ON)
    list(GET status 0 code)
    if(NOT code EQUAL 0)
      message(STATUS "crate ${name} ${version} could not be downloaded: ${status}")
      file(REMOVE "${archive}")
      return()
    endif()
    file(SHA256 "${archive}" hash)
    if(NOT hash STREQUAL wanted)
      message(FATAL_ERROR "${archive} is not the file that is expected: SHA-256 ${hash}, not ${wanted}")
    endif()
    file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${folder}")
    file(REMOVE "${archive}")
  endif()
  set(${result} "${folder}/${file}" PARENT_SCOPE)
endfunction()
