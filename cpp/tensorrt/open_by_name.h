// Opens a library so that a later dlopen of its bare name finds it, wherever it is and whatever its SONAME.
#pragma once

#include <filesystem>

namespace tft::tensorrt {

/// Opens the library and keeps it open. `mode` is dlopen's.
///
/// The loader remembers an open library by the path that dlopen was given and by its SONAME. TensorRT opens
/// its parts by file name, and the SONAME of some differs on purpose: libnvinfer_builder_resource.so.10.6.0
/// is `do_not_link_against_nvinfer_builder_resource`. The loader also remembers the name by which another
/// library needs one. So this makes a library in memory, without code, that needs the file by its name
/// (DT_NEEDED) and says where it is (DT_RUNPATH). Where that fails, the library is opened by its path.
void open_by_name(const std::filesystem::path& library, int mode);

}  // namespace tft::tensorrt
