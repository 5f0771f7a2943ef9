#pragma once

/// @file
/// Runs a plan file (export_network --format plan, or prune) in a program without LibTorch: target
/// serpette::runtime. For C there is runtime.h.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/detector/decode_options.hpp"

namespace serpette {

/// A decoded picture in memory that somebody else owns.
struct Pixels {
  const std::uint8_t* rgb = nullptr;  ///< [height, width, 3], rows from the top.
  int width = 0, height = 0;
  std::ptrdiff_t pitch = 0;  ///< Bytes from one row to the next; 0: 3 · width.
};

/// A detector that a plan file holds. One call at a time: it owns its buffers; a program that
/// computes several images at the same time opens the file as often, and the weights are shared.
/// Once its buffers have grown, a call takes memory for what it hands over alone, and for the
/// decoder of a picture's file.
///
/// All members throw serpette::Error, a std::runtime_error, which says in one line what should be
/// otherwise.
class Runtime {
 public:
  /// @param plan     stays mapped, and must not be changed in place.
  /// @param threads  that an image is computed on, at most 1024; 0: as many as OpenMP says.
  /// @throws Error   if it is no plan, of another version or kind of CPU, cut or damaged, or for
  ///                 another number of threads.
  explicit Runtime(const std::filesystem::path& plan, int threads = 0);
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  /// Pixels of the canvas that pictures are scaled onto.
  [[nodiscard]] int width() const;
  [[nodiscard]] int height() const;
  [[nodiscard]] int classes() const;
  /// By class; "class 3" where the plan has no names.
  [[nodiscard]] const std::vector<std::string>& class_names() const;
  /// Whether it sees luma alone; colours become grey inside.
  [[nodiscard]] bool greyscale() const;

  /// What is in a picture, best first, in its own pixels; `image_id` is 0.
  /// @throws Error  if it is no whole JPEG, PNG, WebP or BMP.
  [[nodiscard]] std::vector<Detection> detect(const std::filesystem::path& picture,
                                              const DecodeOptions& options = {.confidence = 0.25});
  [[nodiscard]] std::vector<Detection> detect(const Pixels& picture,
                                              const DecodeOptions& options = {.confidence = 0.25});

  /// Raw logits [A·(5 + C), h, w] of every head.
  /// @param image   [3, height, width] in [0, 1], RGB, one image; grey inside as for detect.
  /// @throws Error  if it has another size.
  [[nodiscard]] std::vector<std::vector<float>> heads(std::span<const float> image);

 private:
  struct Held;
  std::unique_ptr<Held> held_;
};

}  // namespace serpette
