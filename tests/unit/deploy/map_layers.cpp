#include "serpette/deploy/map_layers.hpp"

#include "serpette/torch/nn.hpp"

#include <cmath>

#include "serpette/deploy/change_layout.hpp"
#include "serpette/graph/layers.hpp"
#include "support/catch.hpp"

using namespace serpette;
using deploy::ConstMap;
using deploy::Layout;
using deploy::Map;

namespace {

at::MemoryFormat format(Layout layout) {
  return layout == Layout::kPlanes ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
}

Shape shape_of(const at::Tensor& t) {
  return {static_cast<int>(t.size(1)), static_cast<int>(t.size(2)), static_cast<int>(t.size(3))};
}

/// A map over a tensor's memory.
ConstMap map_of(const at::Tensor& t, Layout layout) {
  return ConstMap::dense(t.const_data_ptr<float>(), shape_of(t), layout);
}

at::Tensor random_map(int channels, int height, int width, Layout layout) {
  return at::randn({1, channels, height, width}).contiguous(format(layout));
}

/// What `fill` makes of a map like `expected`, which is full of what does not count.
template <class Fill>
at::Tensor filled(const at::Tensor& expected, Layout layout, const Fill& fill) {
  auto y = at::full(expected.sizes(), std::nan("")).to(at::kFloat).contiguous(format(layout));
  fill(Map::dense(y.mutable_data_ptr<float>(), shape_of(expected), layout));
  return y;
}

}  // namespace

TEST_CASE("layers without weights make of maps what they make of tensors, to the last bit",
          "[deploy][map_layers]") {
  torch::manual_seed(1);
  const auto layout = GENERATE(Layout::kPlanes, Layout::kChannelsLast);
  for (const auto& [c, h, w] : {Shape{1, 1, 1}, {5, 3, 4}, {16, 13, 13}, {37, 9, 22}}) {
    INFO(c << " × " << h << " × " << w << (layout == Layout::kPlanes ? " planes" : " cells"));
    const auto x = random_map(c, h, w, layout), other = random_map(c, h, w, layout);
    const auto mine = map_of(x, layout), its = map_of(other, layout);
    for (const auto activation : {Activation::kLinear, Activation::kLeaky, Activation::kRelu}) {
      const auto expected =
          serpette::detail::activate_(serpette::detail::add(x, other), activation);
      CHECK(filled(expected, layout, [&](const Map& y) {
              add(mine, its, y, activation, layout);
            }).equal(expected));
      for (const int channels : {(c + 1) / 2, c + 3}) {  // narrower and wider than the first
        const auto unequal = random_map(channels, h, w, layout);
        const auto sum = serpette::detail::activate_(serpette::detail::add(x, unequal), activation);
        CHECK(filled(sum, layout, [&](const Map& y) {
                add(mine, map_of(unequal, layout), y, activation, layout);
              }).equal(sum));
      }
    }
    for (const int stride : {1, 2, 3}) {
      const auto expected = serpette::detail::enlarge(x, {stride});
      CHECK(filled(expected, layout, [&](const Map& y) {
              enlarge(mine, stride, y, layout);
            }).equal(expected));
    }
    for (const Route& route : {Route{1, 0}, Route{c, c - 1}}) {
      const auto expected = serpette::detail::concatenate(route, {x, other, x});
      const ConstMap inputs[] = {mine, its, mine};
      CHECK(filled(expected, layout, [&](const Map& y) {
              concatenate(route, inputs, y, layout);
            }).equal(expected));
    }
    CHECK(
        filled(x, layout, [&](const Map& y) { multiply(mine, its, y, layout); }).equal(other * x));
    const auto gates = random_map(c, 1, 1, layout);
    CHECK(filled(x, layout, [&](const Map& y) {
            multiply(map_of(gates, layout), its, y, layout);
          }).equal(other * gates));
    const auto mean = x.mean({2, 3}, true);  // LibTorch adds in float
    CHECK(at::allclose(filled(mean, layout, [&](const Map& y) { deploy::average(mine, y); }), mean,
                       1e-6, 1e-6));
  }
}

TEST_CASE("maps are pooled as tensors are, whatever the window", "[deploy][map_layers]") {
  torch::manual_seed(2);
  const auto layout = GENERATE(Layout::kPlanes, Layout::kChannelsLast);
  for (const auto& [c, h, w] : {Shape{1, 5, 5}, {6, 13, 13}, {19, 14, 21}})
    for (const MaxPool& pool :
         {MaxPool{2, 2, 0}, MaxPool{2, 2, 1}, MaxPool{2, 1, 1}, MaxPool{3, 2, 2}, MaxPool{3, 3, 1},
          MaxPool{5, 1, 4}, MaxPool{5, 4, 3}, MaxPool{9, 1, 8}, MaxPool{13, 1, 12},
          MaxPool{1, 2, 0}, MaxPool{2, 2, 5}}) {
      if (h + pool.padding < pool.size || w + pool.padding < pool.size) continue;
      INFO(c << " × " << h << " × " << w << ", " << pool.size << " by " << pool.stride << " padded "
             << pool.padding);
      const auto x = random_map(c, h, w, layout);
      const Shape out{c, (h + pool.padding - pool.size) / pool.stride + 1,
                      (w + pool.padding - pool.size) / pool.stride + 1};
      const auto expected = serpette::detail::max_pool(x, pool, out);
      REQUIRE(shape_of(expected) == out);
      CHECK(filled(expected, layout, [&](const Map& y) {
              max_pool(map_of(x, layout), pool, y, layout);
            }).equal(expected));
    }
}

TEST_CASE("a narrow map in wide padding is pooled as in planes", "[deploy][map_layers]") {
  torch::manual_seed(4);
  const MaxPool pool{30, 30, 1023};  // along rows alone: 34 times the map
  const Shape out{16, 1126, 34};
  const auto x = random_map(16, 1 << 15, 1, Layout::kChannelsLast);
  const auto pooled = [&](Layout layout) {
    const auto in = layout == Layout::kPlanes ? x.contiguous() : x;
    return filled(at::empty({1, out.channels, out.height, out.width}), layout,
                  [&](const Map& y) { max_pool(map_of(in, layout), pool, y, layout); });
  };
  CHECK(pooled(Layout::kChannelsLast).equal(pooled(Layout::kPlanes)));
}

TEST_CASE("activations of maps are LibTorch's to a millionth", "[deploy][map_layers]") {
  auto x =
      at::cat({at::linspace(-100, 100, 20'001), at::linspace(-2, 2, 4'003)}).view({1, 1, 1, -1});
  for (const auto activation : {Activation::kLinear, Activation::kLeaky, Activation::kRelu,
                                Activation::kLogistic, Activation::kMish, Activation::kSwish}) {
    const auto expected = serpette::detail::activate_(x.to(at::kDouble), activation);
    auto y = x.clone();
    activate(Map::dense(y.mutable_data_ptr<float>(), shape_of(y), Layout::kPlanes), activation);
    CHECK(at::allclose(y.to(at::kDouble), expected, 1e-6, 1e-30));
    // What is not a number stays none: a network that has diverged does not look well.
    auto none = at::full({1, 1, 1, 37}, std::nan("")).to(at::kFloat);
    activate(Map::dense(none.mutable_data_ptr<float>(), shape_of(none), Layout::kPlanes),
             activation);
    CHECK(none.isnan().all().item<bool>());
  }
}

TEST_CASE("maps are copied from any layout into any", "[deploy][map_layers]") {
  torch::manual_seed(3);
  const auto whole = random_map(12, 7, 9, Layout::kChannelsLast);
  const auto part = map_of(whole, Layout::kChannelsLast).part({4, 5});
  const auto expected = whole.narrow(1, 4, 5);
  for (const auto to : {Layout::kPlanes, Layout::kChannelsLast}) {
    CHECK(filled(expected, to, [&](const Map& y) { copy_map(part, y); }).equal(expected));
    for (const auto from : {Layout::kPlanes, Layout::kChannelsLast}) {
      const auto x = random_map(12, 7, 9, from);
      CHECK(filled(x, to, [&](const Map& y) { copy_map(map_of(x, from), y); }).equal(x));
    }
  }
}
