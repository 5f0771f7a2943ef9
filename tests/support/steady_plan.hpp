#pragma once

#include <ATen/Parallel.h>

#include <cstddef>
#include <vector>

#include "serpette/deploy/map.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

namespace serpette::test {

/// A plan gives the same bits on any number of threads, and takes no memory while it runs.
/// @param heads  what it gave for the images.
template <class Plan>
void steady(Plan& plan, const at::Tensor& images, const std::vector<at::Tensor>& heads) {
  const int before = at::get_num_threads();
  for (const int threads : {2, 3, 1}) {
    at::set_num_threads(threads);
    const auto again = plan.forward(images);
    for (std::size_t h = 0; h < heads.size(); ++h) CHECK(again[h].equal(heads[h]));
    if (!counts_allocations()) continue;
    double sum = 0;
    CHECK(allocations_in([&] {
            plan.run(images.const_data_ptr<float>(),
                     [&](std::size_t, const deploy::ConstMap& logits) { sum += *logits.data; });
          }) == 0);
  }
  at::set_num_threads(before);
}

}  // namespace serpette::test
