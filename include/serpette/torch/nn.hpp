#pragma once

/// @file
/// The dear door to LibTorch: modules, autograd and optimizers. Only `model/` and `pipeline/` open
/// it.

#include <torch/torch.h>
