#pragma once

/// @internal How plans compute layers without weights.

/// @file
/// What the layers without weights make of maps, into memory that is given. All maps of a call lie
/// dense in one layout. The last bits are graph/layers.hpp's, but for exponentials (other
/// polynomials than LibTorch's) and means (summed in double). No LibTorch.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "serpette/deploy/map.hpp"
#include "serpette/deploy/map_kernels.hpp"
#include "serpette/deploy/scratch.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/io/limits.hpp"

namespace serpette::deploy {

/// An activation in place.
inline void activate(const Map& map, Activation activation) {
  if (activation == Activation::kLinear) return;
  workers_for(map.numbers())(map.numbers(), [&](std::int64_t begin, std::int64_t end) {
    map_kernels_here().activate(activation, static_cast<std::size_t>(end - begin),
                                map.data + begin);
  });
}

namespace detail {

/// f(offset in x, offset in y, numbers) for the runs that the first `channels` channels of two maps
/// consist of.
template <class F>
void shared_runs(const ConstMap& x, const Map& y, std::int64_t channels, Layout layout,
                 const F& f) {
  const auto& kernels = map_kernels_here();
  if (layout == Layout::kPlanes || x.shape.channels == y.shape.channels) {
    const auto numbers = layout == Layout::kPlanes ? channels * y.cells() : y.numbers();
    workers_for(numbers)(numbers, [&](std::int64_t begin, std::int64_t end) {
      f(kernels, begin, begin, static_cast<std::size_t>(end - begin));
    });
    return;
  }
  workers_for(channels * y.cells())(y.cells(), [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i)
      f(kernels, i * x.cell_step, i * y.cell_step, static_cast<std::size_t>(channels));
  });
}

}  // namespace detail

/// y = a(x + other): what both have is added, the rest is x's.
inline void add(const ConstMap& x, const ConstMap& other, const Map& y, Activation activation,
                Layout layout) {
  const bool in_passing = is_piecewise_linear(activation) && x.shape == other.shape;
  const auto slope = static_cast<float>(in_passing ? slope_of(activation) : 1.0);
  if (x.shape != other.shape) std::copy_n(x.data, x.numbers(), y.data);
  detail::shared_runs(
      other, y, Shortcut::shared(x.shape.channels, other.shape.channels), layout,
      [&](const MapKernels& kernels, std::int64_t from, std::int64_t to, std::size_t n) {
        kernels.add(x.data + to, other.data + from, slope, n, y.data + to);
      });
  if (!in_passing) activate(y, activation);
}

/// The route's parts of its inputs, side by side.
inline void concatenate(const Route& route, std::span<const ConstMap> inputs, const Map& y,
                        Layout layout) {
  int first = 0;
  for (const ConstMap& input : inputs) {
    const auto x = input.part(route.taken(input.shape.channels));
    const auto to = y.part({first, x.shape.channels});
    first += x.shape.channels;
    if (layout == Layout::kPlanes) {
      std::copy_n(x.data, x.numbers(), to.data);
      continue;
    }
    workers_for(x.numbers())(x.cells(), [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i)
        std::copy_n(x.data + i * x.cell_step, x.shape.channels, to.data + i * to.cell_step);
    });
  }
}

/// Each cell `stride` times in both directions.
inline void enlarge(const ConstMap& x, int stride, const Map& y, Layout layout) {
  const bool planes = layout == Layout::kPlanes;
  const std::int64_t unit = planes ? 1 : x.shape.channels;  // numbers that move together
  const std::int64_t width = x.shape.width, wide = y.shape.width;
  const auto rows = (planes ? std::int64_t{x.shape.channels} : 1) * x.shape.height;
  const auto repeat = map_kernels_here().repeat;
  workers_for(y.numbers())(rows, [&](std::int64_t begin, std::int64_t end) {
    for (auto row = begin; row < end; ++row) {
      const float* from = x.data + row * width * unit;
      float* to = y.data + row * stride * wide * unit;
      if (planes)
        repeat(from, static_cast<std::size_t>(width), static_cast<std::size_t>(stride), to);
      else
        for (std::int64_t column = 0; column < wide; ++column)
          std::copy_n(from + column / stride * unit, unit, to + column * unit);
      for (int copy = 1; copy < stride; ++copy)
        std::copy_n(to, wide * unit, to + copy * wide * unit);
    }
  });
}

/// y = other · gates: cell by cell, or where the gates have one cell, channel by channel.
inline void multiply(const ConstMap& gates, const ConstMap& other, const Map& y, Layout layout) {
  const auto& kernels = map_kernels_here();
  const auto cells = static_cast<std::size_t>(y.cells());
  const auto channels = static_cast<std::size_t>(y.shape.channels);
  if (gates.shape == other.shape) {
    kernels.multiply(other.data, gates.data, cells * channels, y.data);
  } else if (layout == Layout::kPlanes) {
    for (std::size_t c = 0; c < channels; ++c)
      kernels.scale(other.data + c * cells, gates.data[c], cells, y.data + c * cells);
  } else {
    for (std::size_t i = 0; i < cells; ++i)
      kernels.multiply(other.data + i * channels, gates.data, channels, y.data + i * channels);
  }
}

/// The mean of each channel.
inline void average(const ConstMap& x, const Map& y) {
  for (std::int64_t c = 0; c < x.shape.channels; ++c) {
    double sum = 0;
    for (std::int64_t i = 0; i < x.cells(); ++i)
      sum += x.data[c * x.channel_step + i * x.cell_step];
    y.data[c] = static_cast<float>(sum / static_cast<double>(x.cells()));
  }
}

namespace detail {

/// Taps of a pool's window at a cell of the output that lie in the map: [first, last).
struct Window {
  int first, last;

  static Window at(int cell, const MaxPool& pool, int size) {
    const int begin = cell * pool.stride - pool.padding / 2;
    return {std::max(begin, 0), std::min(begin + pool.size, size)};
  }
};

/// to = the highest of some rows, each of n numbers: −∞ of none.
inline void highest_of(std::vector<const float*>& rows, std::int64_t n, float* to) {
  if (rows.empty())
    std::fill_n(to, n, -std::numeric_limits<float>::infinity());
  else
    map_kernels_here().highest(rows.data(), rows.size(), static_cast<std::size_t>(n), to);
  rows.clear();
}

inline void max_pool_planes(const ConstMap& x, const MaxPool& pool, const Map& y) {
  const int before = pool.padding / 2, width = x.shape.width, stride = pool.stride;
  // A row with −∞ on both sides, dealt out to `stride` rows, so that every tap is a run of its own.
  const auto wide = std::max(before + width, (y.shape.width - 1) * stride + pool.size);
  const auto dealt = (wide + stride - 1) / stride;
  workers_for(x.numbers())(y.shape.channels, [&](std::int64_t begin, std::int64_t end) {
    float* row = scratch(Scratch::kFirst, static_cast<std::size_t>(dealt) * stride);
    float* parts = scratch(Scratch::kSecond, static_cast<std::size_t>(dealt) * stride);
    std::fill_n(row, std::int64_t{dealt} * stride, -std::numeric_limits<float>::infinity());
    thread_local std::vector<const float*> taps;
    taps.clear();
    for (auto c = begin; c < end; ++c)
      for (int i = 0; i < y.shape.height; ++i) {
        const auto window = Window::at(i, pool, x.shape.height);
        for (int r = window.first; r < window.last; ++r)
          taps.push_back(x.data + (c * x.shape.height + r) * width);
        highest_of(taps, width, row + before);
        const float* from = stride == 1 ? row : parts;
        if (stride == 2)
          map_kernels_here().split(row, static_cast<std::size_t>(dealt), parts, parts + dealt);
        else if (stride > 2)
          for (int k = 0; k < dealt * stride; ++k) parts[k % stride * dealt + k / stride] = row[k];
        for (int tap = 0; tap < pool.size; ++tap)
          taps.push_back(from + tap % stride * dealt + tap / stride);
        highest_of(taps, y.shape.width, y.data + (c * y.shape.height + i) * y.shape.width);
      }
  });
}

inline void max_pool_cells(const ConstMap& x, const MaxPool& pool, const Map& y) {
  const std::int64_t channels = x.shape.channels, width = x.shape.width, wide = y.shape.width;
  // Large windows go along rows first, and then along columns; unless a narrow map in wide padding
  // makes far more of what lies between than there is in either map.
  const auto between = x.shape.height * wide * channels;
  const bool at_once = pool.size <= 3 || between > std::max(limits::kPlanNumbers, x.numbers());
  float* rows = at_once ? nullptr : scratch(Scratch::kFirst, static_cast<std::size_t>(between));
  const auto pass = [&](std::int64_t count, const auto& f) {
    workers_for(x.numbers())(count, [&](std::int64_t begin, std::int64_t end) {
      thread_local std::vector<const float*> taps;
      taps.clear();
      for (auto i = begin; i < end; ++i) f(static_cast<int>(i), taps);
    });
  };
  const auto cells_of_row = [&](const Window& window, int row, std::vector<const float*>& taps) {
    for (int column = window.first; column < window.last; ++column)
      taps.push_back(x.data + (row * width + column) * channels);
  };
  if (at_once) {
    pass(y.shape.height, [&](int i, std::vector<const float*>& taps) {
      const auto across = Window::at(i, pool, x.shape.height);
      for (int j = 0; j < wide; ++j) {
        const auto along = Window::at(j, pool, x.shape.width);
        for (int row = across.first; row < across.last; ++row) cells_of_row(along, row, taps);
        highest_of(taps, channels, y.data + (i * wide + j) * channels);
      }
    });
    return;
  }
  pass(x.shape.height, [&](int row, std::vector<const float*>& taps) {
    for (int j = 0; j < wide; ++j) {
      cells_of_row(Window::at(j, pool, x.shape.width), row, taps);
      highest_of(taps, channels, rows + (row * wide + j) * channels);
    }
  });
  pass(y.shape.height, [&](int i, std::vector<const float*>& taps) {
    const auto window = Window::at(i, pool, x.shape.height);
    for (int row = window.first; row < window.last; ++row)
      taps.push_back(rows + row * wide * channels);
    highest_of(taps, wide * channels, y.data + i * wide * channels);
  });
}

}  // namespace detail

/// Darknet's max-pool: the window sees −∞ beyond the edge.
inline void max_pool(const ConstMap& x, const MaxPool& pool, const Map& y, Layout layout) {
  if (layout == Layout::kPlanes)
    detail::max_pool_planes(x, pool, y);
  else
    detail::max_pool_cells(x, pool, y);
}

}  // namespace serpette::deploy
