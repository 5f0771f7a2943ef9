#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <ranges>
#include <span>
#include <utility>

#include "serpette/core/image_batch.hpp"

namespace serpette {

/// Batches of images, each made when it is asked for: whoever walks them holds one at a time,
/// however many there are.
///
///     for (const ImageBatch& batch : batches) …
///
/// The stream can be walked again; equal numbers give equal batches.
class BatchStream {
 public:
  using Make = std::function<ImageBatch(std::int64_t number)>;

  /// @param make  batch `number` of [0, size).
  BatchStream(std::int64_t size, Make make) : size_(size), make_(std::move(make)) {}

  /// Batches that are there already, in a vector or an array; they outlive the stream.
  template <std::ranges::contiguous_range Batches>
    requires std::same_as<std::ranges::range_value_t<Batches>, ImageBatch>
  BatchStream(const Batches& batches)  // NOLINT(google-explicit-constructor): they are a stream
      : BatchStream(static_cast<std::int64_t>(std::ranges::size(batches)),
                    [all = std::span<const ImageBatch>(batches)](std::int64_t number) {
                      return all[static_cast<std::size_t>(number)];
                    }) {}

  /// Number of batches.
  [[nodiscard]] std::int64_t size() const { return size_; }

  /// Makes one batch.
  [[nodiscard]] ImageBatch operator[](std::int64_t number) const { return make_(number); }

  class Iterator {
   public:
    using value_type = ImageBatch;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    Iterator(const BatchStream& stream, std::int64_t number) : stream_(&stream), number_(number) {}
    ImageBatch operator*() const { return (*stream_)[number_]; }
    Iterator& operator++() {
      ++number_;
      return *this;
    }
    void operator++(int) { ++number_; }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const BatchStream* stream_ = nullptr;
    std::int64_t number_ = 0;
  };

  [[nodiscard]] Iterator begin() const { return {*this, 0}; }
  [[nodiscard]] Iterator end() const { return {*this, size_}; }

 private:
  std::int64_t size_;
  Make make_;
};
static_assert(std::ranges::input_range<const BatchStream>);

}  // namespace serpette
