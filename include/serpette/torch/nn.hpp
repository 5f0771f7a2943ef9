#pragma once

/// @file
/// The dear door to LibTorch: modules, autograd and optimizers, but not all of `torch/torch.h`.
/// Only `nn/`, `detector/`, `method/` and their kin open it (check_layers.py).

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim.h>
#include <torch/serialize.h>
