# TFT_NVCC: NVIDIA's CUDA compiler, or empty; TFT_KERNEL_ARCHITECTURES: what the kernels are compiled for.
#
# In this order: -DTFT_NVCC=; the cache folder; wheels from PyPI, fetched by name into the cache folder
# ${XDG_CACHE_HOME:-~/.cache}/tft-tensorrt/nvcc-VERSION (270 MB). -DTFT_KERNELS=OFF looks for none: the library then has no
# kernels, and TensorRT's own layers run the model. A compiler in the path is not taken: which GPUs and drivers the
# kernels serve depends on its version.
option(TFT_KERNELS "Compile the library's own CUDA kernels" ON)
set(TFT_NVCC "" CACHE FILEPATH "nvcc 13.0, for the library's own kernels")
set(TFT_KERNEL_ARCHITECTURES 80 86 89 90 100 120 CACHE STRING "Compute capabilities to compile kernels for, the newest last")
set(tft_nvcc_version 13.0.88)
set(tft_nvcc_wheels nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-runtime==13.0.96
  nvidia-cuda-cccl==13.0.85)

if(TFT_KERNELS AND NOT TFT_NVCC)
  get_filename_component(tft_cache "${tft_headers_cache}" DIRECTORY)
  set(folder "${tft_cache}/nvcc-${tft_nvcc_version}")
  set(found "${folder}/nvidia/cu13/bin/nvcc")
  find_program(TFT_PYTHON NAMES python3 python)
  if(NOT EXISTS "${found}" AND TFT_PYTHON)
    message(STATUS "Fetching nvcc ${tft_nvcc_version} from PyPI")
    # Under a temporary name first: two configurations may run at once.
    string(RANDOM LENGTH 12 suffix)
    execute_process(
      COMMAND "${TFT_PYTHON}" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all:
        --root-user-action=ignore --target "${folder}.${suffix}" ${tft_nvcc_wheels}
      OUTPUT_QUIET ERROR_VARIABLE problem RESULT_VARIABLE status)
    if(status EQUAL 0)
      file(RENAME "${folder}.${suffix}" "${folder}" RESULT renamed)
    else()
      message(STATUS "nvcc could not be fetched: ${problem}")
    endif()
    file(REMOVE_RECURSE "${folder}.${suffix}")
  endif()
  if(EXISTS "${found}")
    set(TFT_NVCC "${found}")
  endif()
endif()
if(NOT TFT_KERNELS)
  set(TFT_NVCC "")
  message(STATUS "nvcc: not wanted, so the library has no kernels of its own")
elseif(TFT_NVCC)
  message(STATUS "nvcc: ${TFT_NVCC}")
else()
  message(STATUS "nvcc: none, so the library has no kernels of its own (set TFT_NVCC)")
endif()
