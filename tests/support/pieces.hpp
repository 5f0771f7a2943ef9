#pragma once

#include <cstdint>

namespace serpette::test {

/// What runs parts of a loop, as deploy::Workers does: ranges in reverse order, since none may
/// depend on another.
struct Pieces {
  int count = 1;
  template <class F>
  void operator()(std::int64_t n, const F& f) const {
    for (int i = count; i-- > 0;)
      if (n * i / count < n * (i + 1) / count) f(n * i / count, n * (i + 1) / count);
  }
};

}  // namespace serpette::test
