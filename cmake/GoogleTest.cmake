# Target tft_gtest: GoogleTest with its main function. The system's (Debian: libgtest-dev) where it is installed, else the
# copy that the crate librocksdb-sys carries in one file, which needs no network but cargo's registry. That copy is
# 1.8.1: newer macros (GTEST_SKIP, *_TEST_SUITE) are not to be used.
include(${CMAKE_CURRENT_LIST_DIR}/CrateFolder.cmake)

option(TFT_SYSTEM_GTEST "Take the system's GoogleTest where there is one" ON)
if(TFT_SYSTEM_GTEST)
  find_package(GTest QUIET)
endif()
if(TARGET GTest::gtest_main)
  message(STATUS "GoogleTest: the system's")
  add_library(tft_gtest INTERFACE)
  target_link_libraries(tft_gtest INTERFACE GTest::gtest_main)
else()
  tft_crate_folder(crate librocksdb-sys 6.20.3)
  set(fused "${crate}/rocksdb/third-party/gtest-1.8.1/fused-src")
  if(NOT EXISTS "${fused}/gtest/gtest-all.cc")
    message(FATAL_ERROR "No GoogleTest. Install it (Debian: libgtest-dev), since it could not be fetched from crates.io; "
      "or build without tests: -DTFT_BUILD_TESTS=OFF.")
  endif()
  message(STATUS "GoogleTest: ${fused}")
  add_library(tft_gtest STATIC "${fused}/gtest/gtest-all.cc" "${fused}/gtest/gtest_main.cc")
  target_include_directories(tft_gtest SYSTEM PUBLIC "${fused}")
  target_compile_options(tft_gtest PRIVATE -w)
  target_link_libraries(tft_gtest PUBLIC Threads::Threads)
endif()
