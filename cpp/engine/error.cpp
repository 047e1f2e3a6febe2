// Names of the error codes.
#include "tft/error.h"

namespace tft {

std::string_view code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::NO_CUDA_DRIVER:
      return "ERR_TFT_NO_CUDA_DRIVER";
    case ErrorCode::NO_CUDA_DEVICE:
      return "ERR_TFT_NO_CUDA_DEVICE";
    case ErrorCode::TENSORRT_NOT_FOUND:
      return "ERR_TFT_TENSORRT_NOT_FOUND";
    case ErrorCode::TENSORRT_VERSION:
      return "ERR_TFT_TENSORRT_VERSION";
    case ErrorCode::PLAN_INVALID:
      return "ERR_TFT_PLAN_INVALID";
    case ErrorCode::PLAN_MISMATCH:
      return "ERR_TFT_PLAN_MISMATCH";
    case ErrorCode::PLUGIN:
      return "ERR_TFT_PLUGIN";
    case ErrorCode::BUILD:
      return "ERR_TFT_BUILD";
    case ErrorCode::OUT_OF_MEMORY:
      return "ERR_TFT_OUT_OF_MEMORY";
    case ErrorCode::RUN:
      return "ERR_TFT_RUN";
    case ErrorCode::DEVICE_LOST:
      return "ERR_TFT_DEVICE_LOST";
    case ErrorCode::INPUT_VALUE:
      return "ERR_TFT_INPUT_VALUE";
    case ErrorCode::INPUT_LENGTH:
      return "ERR_TFT_INPUT_LENGTH";
    case ErrorCode::QUEUE_FULL:
      return "ERR_TFT_QUEUE_FULL";
    case ErrorCode::DEADLINE:
      return "ERR_TFT_DEADLINE";
    case ErrorCode::ABORTED:
      return "ERR_TFT_ABORTED";
    case ErrorCode::CLOSED:
      return "ERR_TFT_CLOSED";
    case ErrorCode::OPTION:
      return "ERR_TFT_OPTION";
    case ErrorCode::UNSUPPORTED:
      return "ERR_TFT_UNSUPPORTED";
    case ErrorCode::BACKEND_UNAVAILABLE:
      return "ERR_TFT_BACKEND_UNAVAILABLE";
    case ErrorCode::MODEL_NOT_FOUND:
      return "ERR_TFT_MODEL_NOT_FOUND";
    case ErrorCode::MODEL_INVALID:
      return "ERR_TFT_MODEL_INVALID";
    case ErrorCode::MODEL_HASH:
      return "ERR_TFT_MODEL_HASH";
  }
  return "ERR_TFT_RUN";
}

}  // namespace tft
