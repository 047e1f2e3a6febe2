# TFT_CUDA_INCLUDE: the folder with NVIDIA's cuda.h, or empty. Nothing is built with it; a test compares our own
# declarations with it. Looked for in an installed CUDA, else fetched from PyPI (nvidia-cuda-runtime) into the cache of
# headers.
set(TFT_CUDA_INCLUDE "" CACHE PATH "Folder with NVIDIA's cuda.h, for the test of our declarations")
set(tft_cuda_wheel_version 13.0.96)
if(NOT TFT_CUDA_INCLUDE)
  set(cached "${tft_headers_cache}/cuda-${tft_cuda_wheel_version}")
  find_path(found_cuda_header cuda.h NO_CACHE
    PATHS "$ENV{CUDA_PATH}/include" "$ENV{CUDA_HOME}/include" /usr/local/cuda/include "${cached}")
  find_program(TFT_PYTHON NAMES python3 python)
  if(NOT found_cuda_header AND TFT_PYTHON)
    set(download "${CMAKE_BINARY_DIR}/cuda-wheel")
    file(REMOVE_RECURSE "${download}")
    execute_process(
      COMMAND "${TFT_PYTHON}" -m pip download --quiet --no-deps --only-binary=:all: --dest "${download}"
        "nvidia-cuda-runtime==${tft_cuda_wheel_version}"
      OUTPUT_QUIET ERROR_QUIET RESULT_VARIABLE status)
    file(GLOB wheel "${download}/*.whl")
    if(status EQUAL 0 AND wheel)
      file(ARCHIVE_EXTRACT INPUT "${wheel}" DESTINATION "${download}" PATTERNS "*/include/cuda.h")
      file(GLOB_RECURSE header "${download}/cuda.h")
      file(COPY "${header}" DESTINATION "${cached}")
      set(found_cuda_header "${cached}")
    endif()
  endif()
  if(found_cuda_header)
    set(TFT_CUDA_INCLUDE "${found_cuda_header}")
  endif()
endif()
if(TFT_CUDA_INCLUDE)
  message(STATUS "cuda.h: ${TFT_CUDA_INCLUDE}")
else()
  message(STATUS "cuda.h: none, so our declarations are not compared with it (set TFT_CUDA_INCLUDE)")
endif()
