#pragma once

/// @file
/// The door to arithmetic and comparison operators between tensors (a + b, a * 2, a > b), still
/// without torch::nn.

#include "serpette/torch/tensor.hpp"

// Without this macro the operators' header would open ATen/Functions.h, which declares every
// operation there is.
#pragma push_macro("AT_PER_OPERATOR_HEADERS")
#ifndef AT_PER_OPERATOR_HEADERS
#define AT_PER_OPERATOR_HEADERS
#endif
#include <ATen/TensorOperators.h>
#pragma pop_macro("AT_PER_OPERATOR_HEADERS")
