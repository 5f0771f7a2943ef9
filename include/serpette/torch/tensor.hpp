#pragma once

/// @file
/// The cheap door to LibTorch: tensors and their methods, without torch::nn (2 s a file rather than
/// 19 s). Headers that need a free function of ATen include its own `ATen/ops/<name>.h` beside this
/// one.

#include <ATen/core/Tensor.h>
