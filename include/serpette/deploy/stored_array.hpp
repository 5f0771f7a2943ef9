#pragma once

/// @internal Memory of prepared layers.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "serpette/core/system_memory.hpp"

namespace serpette::deploy {

/// Numbers of a prepared layer that do not change: its own, or those in a mapped plan file, which
/// stays open as long as anybody reads them. Copies share.
template <class T>
class StoredArray {
 public:
  StoredArray() = default;
  /// Its own.
  StoredArray(std::vector<T> own) {
    auto kept = std::make_shared<std::vector<T>>(std::move(own));
    values_ = *kept;
    owner_ = std::move(kept);
  }
  /// Those of `owner`.
  StoredArray(std::shared_ptr<const void> owner, std::span<const T> values)
      : owner_(std::move(owner)), values_(values) {}

  [[nodiscard]] const T* data() const { return values_.data(); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] const T& operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] std::span<const T> values() const { return values_; }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const T> values_;
};

/// Zeros that begin with a cache line, still to be written; many of them in huge pages.
template <class T>
struct AlignedZeros {
  std::shared_ptr<void> memory;
  T* data = nullptr;
  std::size_t size = 0;

  explicit AlignedZeros(std::size_t count)
      : memory(serpette::detail::system_memory(count * sizeof(T)), &std::free),
        data(static_cast<T*>(memory.get())),
        size(count) {
    if (!memory) throw std::bad_alloc();
    std::uninitialized_value_construct_n(data, count);
  }
  [[nodiscard]] StoredArray<T> stored() const { return {memory, std::span<const T>(data, size)}; }
};

}  // namespace serpette::deploy
