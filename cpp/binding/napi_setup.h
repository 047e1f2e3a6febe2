// Includes Node-API and its C++ wrapper. Only this header includes them, so that all files see them with the
// same settings (CMakeLists.txt).
#pragma once

#include <napi.h>

#if NAPI_VERSION != 8
#error "Node 20 has version 8 of Node-API"
#endif
#ifndef NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS
#error "errors are returned as values: nothing may throw across JavaScript's frames"
#endif
