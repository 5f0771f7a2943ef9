#pragma once

#include <cstdint>

namespace serpette::test {

/// Whether blocks can be counted here: with glibc, or under an address sanitizer.
bool counts_allocations();

/// @name Blocks of memory that this process takes in between, on any thread: by malloc and its
/// like, and so by `new` and what LibTorch takes.
/// @{
void begin_counting();
std::int64_t end_counting();
/// @}

/// Blocks that are taken while `work` runs. Nothing is taken by counting.
template <class Work>
std::int64_t allocations_in(const Work& work) {
  begin_counting();
  work();
  return end_counting();
}

}  // namespace serpette::test
