#pragma once

#include <array>

#include "serpette/core/settings.hpp"

namespace serpette {

/// Number format of a network's products. Parameters, batch norm's statistics, heads and loss stay
/// float.
enum class Precision {
  kFloat32,
  kBFloat16,  ///< float32 with 8 bits of mantissa instead of 24.
};

constexpr auto words(Precision) {
  return std::array<Word<Precision>, 2>{
      {{"f32", Precision::kFloat32}, {"bf16", Precision::kBFloat16}}};
}

}  // namespace serpette
