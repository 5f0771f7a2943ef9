#pragma once

/// @internal The convolutions' scratch memory.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace serpette::deploy {

/// Which of a thread's buffers.
enum class Scratch { kFirst, kSecond };

/// A buffer of this thread for what one layer computes on the way, aligned to a cache line and
/// kept from call to call; at least `floats` long, with anything in it.
inline float* scratch(Scratch which, std::size_t floats) {
  thread_local std::vector<float> buffers[2];
  auto& buffer = buffers[static_cast<std::size_t>(which)];
  if (buffer.size() < floats + 16) {
    buffer.clear();  // nothing to be copied
    buffer.resize(floats + 16);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  return buffer.data() + (64 - address % 64) % 64 / sizeof(float);
}

}  // namespace serpette::deploy
