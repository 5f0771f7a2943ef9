#pragma once

/// @internal LibTorch's threads, for the forms.

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace serpette::deploy {

/// LibTorch's threads, as many of them as are worth waking for some work.
class Workers {
 public:
  /// @param multiply_adds  of the work.
  explicit Workers(double multiply_adds)
      : most_(static_cast<int>(std::min(1e6, 1 + multiply_adds / kWorthAThread))) {}

  [[nodiscard]] int threads() const { return std::min(most_, at::get_num_threads()); }

  /// Calls f(begin, end) for ranges that make up [0, count), at the same time.
  template <class F>
  void operator()(std::int64_t count, const F& f) const {
    if (threads() == 1)
      f(std::int64_t{0}, count);
    else
      at::parallel_for(0, count, 1, f);
  }

 private:
  static constexpr double kWorthAThread = 2e6;

  int most_;
};

}  // namespace serpette::deploy
