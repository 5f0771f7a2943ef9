#include "serpette/graph/execute.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>

#include <algorithm>

#include "serpette/core/seed.hpp"
#include "support/catch.hpp"

using namespace serpette;

TEST_CASE("a max-pool gives equal bits in any memory format, recorded or not", "[core][execute]") {
  const auto [size, stride, padding] = GENERATE(table<int, int, int>({{2, 2, 0},
                                                                      {2, 2, 1},
                                                                      {2, 1, 1},
                                                                      {3, 2, 2},
                                                                      {5, 1, 4},
                                                                      {13, 1, 12},
                                                                      {3, 1, 0},
                                                                      {1, 1, 0},
                                                                      {1, 2, 0}}));
  INFO("size " << size << ", stride " << stride << ", padding " << padding);
  const MaxPool pool{.size = size, .stride = stride, .padding = padding};
  Generator rng(Seed(3));
  const auto x = at::rand({2, 3, 15, 18}, rng.torch()).sub_(0.5);
  const Shape out{3, (15 + padding - size) / stride + 1, (18 + padding - size) / stride + 1};

  // By hand, window by window.
  auto expected = at::empty({2, 3, out.height, out.width});
  for (int row = 0; row < out.height; ++row)
    for (int column = 0; column < out.width; ++column) {
      const int top = row * stride - padding / 2, left = column * stride - padding / 2;
      const auto window = x.slice(2, std::max(top, 0), std::min(top + size, 15))
                              .slice(3, std::max(left, 0), std::min(left + size, 18));
      expected.select(2, row).select(2, column).copy_(window.amax({2, 3}));
    }

  CHECK(serpette::detail::max_pool(x, pool, out).equal(expected));
  CHECK(serpette::detail::max_pool(x.contiguous(at::MemoryFormat::ChannelsLast), pool, out)
            .equal(expected));
  CHECK(serpette::detail::max_pool(x.transpose(2, 3).contiguous().transpose(2, 3), pool, out)
            .equal(expected));
  const auto recorded = x.clone().requires_grad_();
  const auto y = serpette::detail::max_pool(recorded, pool, out);
  CHECK(y.equal(expected));
  y.sum().backward();
  CHECK(recorded.grad().sum().item<float>() == static_cast<float>(y.numel()));
  const at::NoGradGuard no_grad;
  CHECK(serpette::detail::max_pool(recorded, pool, out).equal(expected));
}
