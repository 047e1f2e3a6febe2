# cmake -DNVCC=… -DINCLUDE=cpp -DFOLDER=cpp/plugins -DARCHITECTURES=80+90 -DCACHE=… -DOUTPUT=kernels.fatbin -P CompileKernels.cmake
#
# Compiles the kernels into one compressed fat binary, or takes the one that the same sources, targets and compiler gave
# before: six architectures take a minute, and a test run builds in several folders.
string(REPLACE "+" ";" architectures "${ARCHITECTURES}")
# Real code for each, and PTX of the newest for later ones.
set(targets "")
foreach(architecture IN LISTS architectures)
  list(APPEND targets -gencode=arch=compute_${architecture},code=sm_${architecture})
endforeach()
list(GET architectures -1 newest)
list(APPEND targets -gencode=arch=compute_${newest},code=compute_${newest})

file(GLOB sources "${FOLDER}/*.cu" "${FOLDER}/*.cuh" "${FOLDER}/device.h" "${FOLDER}/kernel_sizes.h" "${FOLDER}/parameters.h")
list(SORT sources)
set(content "${NVCC} ${targets}")
foreach(source IN LISTS sources)
  file(SHA256 "${source}" hash)
  string(APPEND content " ${hash}")
endforeach()
string(SHA256 key "${content}")
set(kept "${CACHE}/kernels-${key}.fatbin")
if(NOT EXISTS "${kept}")
  execute_process(
    COMMAND "${NVCC}" -std=c++17 -O3 --fatbin ${targets} -Xfatbin=-compress-all --compress-mode=size "-I${INCLUDE}"
      -o "${OUTPUT}" "${FOLDER}/kernels.cu"
    COMMAND_ERROR_IS_FATAL ANY)
  # Under a temporary name first: two builds may run at once.
  string(RANDOM LENGTH 12 suffix)
  file(MAKE_DIRECTORY "${CACHE}")
  configure_file("${OUTPUT}" "${kept}.${suffix}" COPYONLY)
  file(RENAME "${kept}.${suffix}" "${kept}")
else()
  configure_file("${kept}" "${OUTPUT}" COPYONLY)
endif()
