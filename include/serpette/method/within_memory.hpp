#pragma once

#include <c10/util/Exception.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "serpette/core/contract.hpp"

namespace serpette {

/// Calls `f` on a batch. A batch is never made smaller unasked: batch norm's statistics and an
/// attack's random starts are a batch's, so results would depend on who else uses the device.
/// @param place  for the error: "training", "evaluation".
/// @param size   images of the batch.
/// @throws Error  saying how many images did not fit, if the device's memory ran out.
template <class F>
decltype(auto) within_memory(std::string_view place, std::int64_t size, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const c10::OutOfMemoryError& error) {
    const std::string all = error.what_without_backtrace();
    fail(place,
         "batches of {} should fit into the device's memory, got \"{}\"; halve the batch size "
         "(--batch-size, or the stage's --…-batch-size)",
         size, all.substr(0, all.find(" GPU ")));  // what it goes on with is advice to allocators
  }
}

}  // namespace serpette
