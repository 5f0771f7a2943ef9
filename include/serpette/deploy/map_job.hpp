#pragma once

/// @internal What map_layers.hpp hands its kernels.

#include <cstddef>

#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Passes over runs of numbers, for one instruction set. `to` may be one of what is read, but for
/// `split` and `repeat`.
struct MapKernels {
  /// to[i] = max over k of rows[k][i].
  void (*highest)(const float* const* rows, std::size_t count, std::size_t n, float* to) = nullptr;
  /// first[i] = from[2i], second[i] = from[2i + 1].
  void (*split)(const float* from, std::size_t n, float* first, float* second) = nullptr;
  /// to[times · i], to[times · i + 1], … = from[i]
  void (*repeat)(const float* from, std::size_t n, std::size_t times, float* to) = nullptr;
  /// to[i] = a(x[i] + y[i]), the activation by its slope below zero.
  void (*add)(const float* x, const float* y, float slope, std::size_t n, float* to) = nullptr;
  /// to[i] = x[i] · y[i]
  void (*multiply)(const float* x, const float* y, std::size_t n, float* to) = nullptr;
  /// to[i] = x[i] · factor
  void (*scale)(const float* x, float factor, std::size_t n, float* to) = nullptr;
  /// data[i] ← a(data[i])
  void (*activate)(Activation activation, std::size_t n, float* data) = nullptr;
};

}  // namespace serpette::deploy
