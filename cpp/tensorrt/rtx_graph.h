// Rewrites an ONNX graph for TensorRT for RTX, in memory. The file stays unchanged for the other backends.
#pragma once

#include <string>
#include <string_view>

namespace tft {

/// `model` is the content of an ONNX file. RTX 1.7's compiler fails on Elu ('There are 2 inputs. Expected 1')
/// but takes Selu, of which Elu is a case: Elu(x; alpha) = Selu(x; alpha, gamma = 1), exactly and in any
/// type. Returns an empty string if there is nothing to rewrite, or if the content is not an ONNX file.
std::string rewrite_for_rtx(std::string_view model);

}  // namespace tft
