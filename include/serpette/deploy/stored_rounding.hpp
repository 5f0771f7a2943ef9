#pragma once

/// @internal How a plan file keeps what a layer does to its input.

#include <type_traits>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/narrow_numbers.hpp"
#include "serpette/deploy/plan_archive.hpp"

namespace serpette::deploy {

/// Of Int8 alone there is something to keep.
template <class Number>
void store_rounding(const Rounding<Number>& rounding, PlanWriter& to) {
  if constexpr (std::is_same_v<Number, Int8>) to.value(rounding);
}

/// What `store_rounding` wrote.
/// @throws Error  if it has a scale that is none.
template <class Number>
Rounding<Number> stored_rounding(PlanReader& from) {
  if constexpr (std::is_same_v<Number, Int8>) {
    const auto read = from.value<Rounding<Number>>();
    require(read.by.is_valid(), from.place(),
            "should hold a positive scale and a zero point in 0 … 255, got {} and {}",
            read.by.scale, read.by.zero_point);
    return read;
  } else {
    return {};
  }
}

}  // namespace serpette::deploy
