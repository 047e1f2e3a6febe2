// Node-API and its C++ wrapper: the only header that includes them, so that all files see them with the same
// settings (CMakeLists.txt has those).
#pragma once

#include <napi.h>

#if NAPI_VERSION != 8
#error "Node 20 has version 8 of Node-API"
#endif
#ifndef NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS
#error "errors are values here: nothing may throw across JavaScript's frames"
#endif
