# cmake -DIMAGE=kernels.fatbin -DOUTPUT=kernel_image.cpp -P EmbedKernels.cmake: writes a source file that carries the
# image, or one without any where IMAGE is empty. The assembler includes the bytes.
if(IMAGE)
  file(SHA256 "${IMAGE}" hash)
  file(WRITE "${OUTPUT}" "// Written by EmbedKernels.cmake.
#include \"cuda/kernel_module.h\"

// 8 bytes aligned, as the driver wants a fat binary.
__asm__(
    \".section .rodata\\n\"
    \".balign 8\\n\"
    \".local tft_kernel_image\\n\"
    \"tft_kernel_image: .incbin \\\"${IMAGE}\\\"\\n\"
    \".local tft_kernel_image_end\\n\"
    \"tft_kernel_image_end: .byte 0\\n\"
    \".previous\\n\");
extern \"C\" const std::byte tft_kernel_image[];
extern \"C\" const std::byte tft_kernel_image_end[];

namespace tft::cuda {

std::span<const std::byte> kernel_image() {
  return {tft_kernel_image, static_cast<std::size_t>(tft_kernel_image_end - tft_kernel_image)};
}
const char* kernel_image_hash() { return \"${hash}\"; }

}  // namespace tft::cuda
")
else()
  file(WRITE "${OUTPUT}" "// Written by EmbedKernels.cmake: this build has no nvcc.
#include \"cuda/kernel_module.h\"

namespace tft::cuda {

std::span<const std::byte> kernel_image() { return {}; }
const char* kernel_image_hash() { return \"\"; }

}  // namespace tft::cuda
")
endif()
