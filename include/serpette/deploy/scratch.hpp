#pragma once

/// @internal The convolutions' scratch memory.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace serpette::deploy {

/// Which of a thread's buffers.
enum class Scratch { kFirst, kSecond, kThird };

/// A buffer of this thread for what one layer computes on the way, aligned to a cache line and
/// kept from call to call; at least `count` numbers long, with anything in it.
template <class Number = float>
Number* scratch(Scratch which, std::size_t count) {
  constexpr std::size_t kLine = 64;
  thread_local std::vector<std::byte> buffers[3];
  auto& buffer = buffers[static_cast<std::size_t>(which)];
  const auto bytes = count * sizeof(Number) + kLine;
  if (buffer.size() < bytes) {
    buffer.clear();  // nothing to be copied
    buffer.resize(bytes);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  return reinterpret_cast<Number*>(buffer.data() + (kLine - address % kLine) % kLine);
}

}  // namespace serpette::deploy
