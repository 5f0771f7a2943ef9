#pragma once

/// @internal How letterbox.hpp and augment.hpp scale pictures.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace serpette {

/// Where a picture goes on a canvas: scaled to `width` × `height` with its corner at (`left`,
/// `top`), which may lie outside; only the part within the window is drawn. [pixels of the canvas]
struct Placement {
  int left = 0, top = 0, width = 1, height = 1;
  bool mirrored = false;  ///< Left and right exchanged, by the writer.
  int window_left = 0, window_top = 0, window_right = 0,
      window_bottom = 0;     ///< Half-open: right, bottom excluded.
  bool upside_down = false;  ///< Top and bottom exchanged, by who hands the rows over.
};

/// An affine map of colours, y = clamp(matrix · x + offset, 0, 1); the identity by default.
struct ColorMap {
  std::array<float, 9> matrix{1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< Row-major, RGB → RGB.
  std::array<float, 3> offset{};

  friend bool operator==(const ColorMap&, const ColorMap&) = default;
};

/// Draws a picture into planar floats in one pass, row by row as a decoder delivers it: bilinear
/// resize on floats with half-pixel centres, edges clamped, no antialiasing (OpenCV's INTER_LINEAR
/// on float images), scaled to [0, 1].
class BilinearWriter {
 public:
  BilinearWriter() = default;  ///< Wants `begin` first.
  /// As `begin`.
  BilinearWriter(float* canvas, int canvas_width, int canvas_height, int image_width,
                 int image_height, const Placement& placement, const ColorMap& colors = {}) {
    begin(canvas, canvas_width, canvas_height, image_width, image_height, placement, colors);
  }

  /// Begins a picture, in the memory of the one before.
  /// @param canvas        [3, canvas_height, canvas_width] floats, RGB planes; only the window is
  /// written.
  /// @param image_width   of the picture to come [pixels]; likewise image_height.
  /// @param placement     its window must lie within the canvas.
  void begin(float* canvas, int canvas_width, int canvas_height, int image_width, int image_height,
             const Placement& placement, const ColorMap& colors = {}) {
    canvas_ = canvas;
    plane_ = std::size_t(canvas_width) * std::size_t(canvas_height);
    canvas_width_ = canvas_width;
    image_width_ = image_width;
    image_height_ = image_height;
    placement_ = placement;
    colors_ = colors;
    recolors_ = colors != ColorMap{};
    row_ = 0;
    columns_.clear();
    left_ = std::max(placement.left, placement.window_left);
    const int right = std::min(placement.left + placement.width, placement.window_right);
    y_ = std::max(placement.top, placement.window_top);
    bottom_ = std::min(placement.top + placement.height, placement.window_bottom);
    columns_.reserve(std::size_t(std::max(0, right - left_)));
    for (int x = left_; x < right; ++x) {
      const int column = x - placement.left;
      const Tap tap = sample(placement.mirrored ? placement.width - 1 - column : column,
                             placement.width, image_width);
      columns_.push_back({3 * tap.low, 3 * tap.high, tap.weight});
    }
    if (columns_.empty()) y_ = bottom_;
    for (auto* row : {&upper_, &lower_}) row->resize(3 * columns_.size());
    // One float more than the row, as the pixels are read in fours.
    source_.resize(3 * std::size_t(image_width) + 1);
  }

  /// Takes the next row of the picture, from the top; all of its rows must be given.
  /// @param rgb  [3 · image_width] 8-bit RGB.
  void row(const std::uint8_t* rgb) {
    const int current = row_++;
    if (y_ >= bottom_) return;
    Tap tap = rows_for(y_);
    if (current < tap.low) return;  // lies above the window, or between two rows that are sampled
    std::swap(upper_, lower_);
    resample(rgb);
    if (current == tap.low && current != tap.high) return;
    for (;;) {
      write(tap.low == tap.high ? lower_ : upper_, lower_, tap.weight);
      if (++y_ >= bottom_) return;
      tap = rows_for(y_);
      if (tap.high != current) return;
    }
  }

 private:
  struct Tap {
    int low = 0, high = 0;
    float weight = 0;  ///< Of `high`.
  };
  using Four [[gnu::vector_size(16)]] = float;  // a pixel and one float more; SSE2 and NEON alike

  // Which two of `from` samples, and how much of the second, lie at the centre of sample i of `to`.
  static Tap sample(int i, int to, int from) {
    const double centre = (i + 0.5) * (double(from) / to) - 0.5;
    const double floor = std::floor(centre);
    const int low = static_cast<int>(floor);
    if (low < 0) return {0, 0, 0};
    return {std::min(low, from - 1), std::min(low + 1, from - 1),
            static_cast<float>(centre - floor)};
  }
  [[nodiscard]] Tap rows_for(int y) const {
    return sample(y - placement_.top, placement_.height, image_height_);
  }

  // lower_ ← the row at the canvas's columns, still interleaved.
  void resample(const std::uint8_t* rgb) {
    const std::size_t n = 3 * std::size_t(image_width_);
    float* source = source_.data();
    for (std::size_t i = 0; i < n; ++i) source[i] = static_cast<float>(rgb[i]) * (1.0F / 255);
    float* red = lower_.data();
    float* green = red + columns_.size();
    float* blue = green + columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const Tap tap = columns_[i];
      Four low, high;
      std::memcpy(&low, source + tap.low, sizeof low);
      std::memcpy(&high, source + tap.high, sizeof high);
      const Four mixed = low * (1 - tap.weight) + high * tap.weight;
      red[i] = mixed[0];
      green[i] = mixed[1];
      blue[i] = mixed[2];
    }
    if (recolors_) recolor(red, green, blue);
  }

  // Before the vertical blend, which is cheaper where rows are used once, and the same but for
  // clamping.
  void recolor(float* red, float* green, float* blue) const {
    const auto& m = colors_.matrix;
    const auto& o = colors_.offset;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const float r = red[i], g = green[i], b = blue[i];
      red[i] = std::min(std::max(m[0] * r + m[1] * g + m[2] * b + o[0], 0.0F), 1.0F);
      green[i] = std::min(std::max(m[3] * r + m[4] * g + m[5] * b + o[1], 0.0F), 1.0F);
      blue[i] = std::min(std::max(m[6] * r + m[7] * g + m[8] * b + o[2], 0.0F), 1.0F);
    }
  }

  void write(const std::vector<float>& upper, const std::vector<float>& lower, float weight) const {
    const std::size_t n = columns_.size();
    for (std::size_t c = 0; c < 3; ++c) {
      float* out =
          canvas_ + c * plane_ + std::size_t(y_) * std::size_t(canvas_width_) + std::size_t(left_);
      const float* a = upper.data() + c * n;
      const float* b = lower.data() + c * n;
      for (std::size_t i = 0; i < n; ++i) out[i] = a[i] * (1 - weight) + b[i] * weight;
    }
  }

  float* canvas_ = nullptr;
  std::size_t plane_ = 0;
  int canvas_width_ = 0, image_width_ = 0, image_height_ = 0;
  Placement placement_;
  ColorMap colors_;
  bool recolors_ = false;
  int left_ = 0, bottom_ = 0;
  int y_ = 0;    // next row of the canvas to write
  int row_ = 0;  // next row of the picture to come
  std::vector<Tap> columns_;
  std::vector<float> source_, upper_, lower_;
};

}  // namespace serpette
