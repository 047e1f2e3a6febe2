// The field numbers of onnx.proto that this package reads or writes.
#pragma once

namespace tft::onnx {

inline constexpr int kModelGraph = 7, kModelOperatorSet = 8, kModelMetadata = 14;
inline constexpr int kOperatorSetDomain = 1, kOperatorSetVersion = 2;
inline constexpr int kGraphNode = 1, kGraphInitializer = 5, kGraphInput = 11, kGraphOutput = 12,
                     kGraphValueInfo = 13;
inline constexpr int kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kNodeOperator = 4, kNodeAttribute = 5,
                     kNodeDomain = 7;
inline constexpr int kAttributeName = 1, kAttributeFloat = 2, kAttributeInt = 3, kAttributeString = 4,
                     kAttributeType = 20;
inline constexpr int kTypeFloat = 1, kTypeInt = 2, kTypeString = 3;
inline constexpr int kTensorDims = 1, kTensorType = 2, kTensorName = 8, kTensorLocation = 14;
inline constexpr int kFloat32 = 1;
inline constexpr int kExternal = 1;

}  // namespace tft::onnx
