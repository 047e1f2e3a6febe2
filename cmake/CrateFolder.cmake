# tft_crate_folder(RESULT NAME VERSION): the folder with the sources of a crate, brought by cargo from its registry.
# Only sources are wanted: nothing of the crate is compiled. Each crate gets a manifest of its own, since two versions
# of a crate that declares `links` cannot share one.
function(tft_crate_folder result name version)
  find_program(TFT_CARGO cargo HINTS "$ENV{HOME}/.cargo/bin")
  if(NOT TFT_CARGO)
    set(${result} "" PARENT_SCOPE)
    return()
  endif()
  set(manifest "${CMAKE_BINARY_DIR}/crates/${name}@${version}")
  file(WRITE "${manifest}/Cargo.toml" "[package]\nname = \"sources-of-${name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n"
    "[lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n${name} = \"=${version}\"\n")
  file(WRITE "${manifest}/lib.rs" "")
  message(STATUS "Fetching the sources of crate ${name} ${version} with cargo")
  execute_process(
    COMMAND "${TFT_CARGO}" metadata --quiet --format-version 1
    WORKING_DIRECTORY "${manifest}" OUTPUT_VARIABLE metadata ERROR_VARIABLE problem RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(STATUS "cargo could not fetch ${name} ${version}: ${problem}")
    set(${result} "" PARENT_SCOPE)
    return()
  endif()
  string(REGEX MATCH "\"manifest_path\":\"([^\"]*/${name}-[0-9][^\"/]*)/Cargo.toml\"" _ "${metadata}")
  set(${result} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()
