#include "serpette/deploy/slice.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <span>

#include "serpette/deploy/amx_convolution.hpp"
#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/kept_maps.hpp"
#include "serpette/deploy/kernel_winograd_convolution.hpp"
#include "serpette/deploy/layer_chains.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/slice_chain.hpp"
#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/deploy/winograd_convolution.hpp"
#include "serpette/prune/weight.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/large_network.hpp"
#include "support/need_cpu.hpp"
#include "support/pruned_network.hpp"
#include "support/reference_network.hpp"
#include "support/steady_plan.hpp"

using namespace serpette;
using deploy::FinishedShortcuts;
using deploy::Layout;
using deploy::MapRows;
using deploy::RowMaps;
using deploy::Slice;
using deploy::SliceChain;
using test::GraphBuilder;
using test::large_network;

namespace {

/// Rows first … last − 1 of a map, and NaN around them.
struct Window {
  Window(const at::Tensor& map, Layout layout, int first_, int last_)
      : is_planes(layout == Layout::kPlanes), first(first_), last(last_) {
    const auto shape = map.sizes();  // [C, H, W] or [H, W, C]
    const int rows = is_planes ? 1 : 0;
    const auto wanted = map.slice(rows, first, last);
    auto around = wanted.sizes().vec();
    around[static_cast<std::size_t>(rows)] += 2;
    memory = at::full(around, std::nan(""));
    memory.slice(rows, 1, -1).copy_(wanted);
    row = shape[static_cast<std::size_t>(rows) + 1] * (is_planes ? 1 : shape[2]);
  }
  [[nodiscard]] MapRows<float> rows() const {
    return {memory.mutable_data_ptr<float>() + row, first, is_planes ? memory.size(1) * row : 0};
  }

  bool is_planes;
  int first, last;
  at::Tensor memory;
  std::int64_t row;
};

/// Computes a convolution as a whole and slice by slice, from and into windows of the rows that a
/// slice is about.
template <class Convolution>
void check_slices(const Convolution& convolution, const Convolutional& c, const Shape& in,
                  Layout layout, bool adds) {
  const Shape out = convolution.output();
  const bool planes = layout == Layout::kPlanes;
  const auto shaped = [&](const Shape& s) {
    return planes ? std::vector<std::int64_t>{s.channels, s.height, s.width}
                  : std::vector<std::int64_t>{s.height, s.width, s.channels};
  };
  const at::Tensor x = at::randn(shaped(in)), residual = at::randn(shaped(out)),
                   expected = at::empty(shaped(out));
  deploy::Finish finish{.slope = 0.1F};
  if (adds) finish.residual = residual.const_data_ptr<float>();
  convolution.run(x.const_data_ptr<float>(), expected.mutable_data_ptr<float>(), finish,
                  deploy::on_one_thread, 1);

  const auto slices = convolution.slices();
  REQUIRE(slices.size() > 1);
  int row = 0;
  for (std::size_t k = 0; k < slices.size(); ++k) {
    const Slice& slice = slices[k];
    REQUIRE(slice.from <= slice.first);
    REQUIRE(slice.first == row);
    row = slice.last;
    const int top = std::max(0, slice.from * c.stride - c.padding),
              end = std::min((slice.last - 1) * c.stride - c.padding + c.size, in.height);
    const Window from(x, layout, top, end),
        to(at::full(shaped(out), std::nan("")), layout, slice.first, slice.last),
        add(residual, layout, slice.first, slice.last);
    RowMaps<> maps{from.rows(), to.rows(), {}, finish};
    if (adds) maps.residual = add.rows();
    convolution.run_slice(k, maps);
    const Window right(expected, layout, slice.first, slice.last);
    REQUIRE(at::equal(at::nan_to_num(to.memory, -1e9), at::nan_to_num(right.memory, -1e9)));
  }
  CHECK(row == out.height);
}

/// The same of convolutions in fewer bits, some of Winograd's among them.
template <template <class> class Form>
void check_narrow_slices() {
  at::manual_seed(6);
  const int stride = GENERATE(1, 2), size = GENERATE(1, 3), channels = GENERATE(5, 64, 520);
  const bool adds = GENERATE(false, true);
  const Convolutional c{.filters = 70, .size = size, .stride = stride, .padding = size / 2};
  const Shape in{channels, 53 * stride, 45};
  const auto weight = at::randn({70, channels, size, size}), bias = at::randn({70});
  const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  check_slices(Form<deploy::BFloat16>(c, in, w, b), c, in, Layout::kChannelsLast, adds);
  check_slices(Form<deploy::Int8>(c, in, w, b, {deploy::Quantization::of({-3, 3})}), c, in,
               Layout::kChannelsLast, adds);
  if (deploy::fits_winograd(c))
    check_slices(deploy::WinogradConvolutionOf<deploy::BFloat16>(c, in, w, b), c, in,
                 Layout::kChannelsLast, adds);
}

/// A chain of numbers: node n's row r is what it reads, each at its place, and what it adds.
struct NumberChain {
  std::vector<SliceChain::Node> nodes;
  int rows;  // of the input
  std::vector<std::vector<double>> expected;

  static double weight(std::size_t n, int tap) { return std::sin(double(n) * 7 + tap + 1); }

  double value(std::size_t n, int row, const auto& input_row, const auto& residual_row) const {
    const auto& node = nodes[n];
    const int height = n == 0 ? rows : nodes[n - 1].out.height;
    double sum = node.residual == SliceChain::kNone ? 0 : residual_row(row);
    for (int tap = 0; tap < node.size; ++tap)
      if (const int r = row * node.stride - node.padding + tap; r >= 0 && r < height)
        sum += weight(n, tap) * input_row(r);
    return sum / 2;
  }

  static NumberChain random(std::mt19937& engine) {
    const auto in = [&](int low, int high) {
      return std::uniform_int_distribution(low, high)(engine);
    };
    NumberChain chain;
    chain.rows = in(20, 60);
    const auto count = static_cast<std::size_t>(in(2, 6));
    for (std::size_t n = 0; n < count; ++n) {
      SliceChain::Node node;
      node.size = in(1, 5);
      node.stride = in(1, 3);
      node.padding = in(0, 4) == 0 ? in(0, node.size + 3) : node.size / 2;
      const int height = n == 0 ? chain.rows : chain.nodes.back().out.height;
      if (height + 2 * node.padding < node.size) break;
      node.out = {in(1, 3), (height + 2 * node.padding - node.size) / node.stride + 1, in(1, 4)};
      for (std::size_t other = 0; other < n; ++other)
        if (chain.nodes[other].out.height == node.out.height && in(0, 1) == 1)
          node.residual = other;
      const int tall = in(1, 9);
      for (int row = 0; row < node.out.height; row += tall) {
        const int last = std::min(row + tall, node.out.height);
        node.slices.push_back({row, last, std::max(0, last - tall)});  // the last one overlaps
      }
      chain.nodes.push_back(std::move(node));
    }
    // Some are kept with the padding of who reads them.
    for (std::size_t n = 0; n + 1 < chain.nodes.size(); ++n) {
      const auto& reader = chain.nodes[n + 1];
      if (reader.padding < reader.size && in(0, 1) == 1) chain.nodes[n].around = reader.padding;
    }
    for (std::size_t n = 0; n < chain.nodes.size(); ++n) {
      std::vector<double> rows;
      for (int r = 0; r < chain.nodes[n].out.height; ++r)
        rows.push_back(chain.value(
            n, r, [&](int i) { return n == 0 ? i + 1.0 : chain.expected[n - 1][std::size_t(i)]; },
            [&](int i) { return chain.expected[chain.nodes[n].residual][std::size_t(i)]; }));
      chain.expected.push_back(std::move(rows));
    }
    return chain;
  }
};

std::vector<std::vector<int>> chains_of(const Graph& graph, const std::vector<Layout>& layouts,
                                        const std::vector<bool>& is_sliced) {
  std::vector<std::vector<Slice>> slices;
  for (int i = 0; i < graph.size(); ++i)
    slices.push_back(is_sliced[static_cast<std::size_t>(i)]
                         ? std::vector<Slice>{{0, graph.shape(i).height}}
                         : std::vector<Slice>{});
  const FinishedShortcuts finished(graph, std::vector<bool>(is_sliced.size(), true));
  std::vector<std::vector<int>> found;
  const deploy::KeptMaps kept(graph, finished,
                              std::vector<std::optional<deploy::RoundedLayout>>(is_sliced.size()),
                              is_sliced, true);
  for (const auto& chain : deploy::find_chains(graph, finished, layouts, slices, kept))
    found.push_back(chain.convolutions);
  return found;
}

}  // namespace

TEST_CASE("slices of a convolution are its rows, to the bit", "[deploy][slices]") {
  at::manual_seed(5);
  const int stride = GENERATE(1, 2), size = GENERATE(1, 3);
  const bool adds = GENERATE(false, true);
  const double density = GENERATE(0.1, 0.5);
  const Convolutional c{.filters = 70, .size = size, .stride = stride, .padding = size / 2};
  const Shape in{5, 53 * stride, 416 * stride};
  const auto weight =
      (at::randn({70, 5, size, size}) * (at::rand({70, 5, size, size}) < density)).contiguous();
  const auto bias = at::randn({70});
  const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  for (const bool shifted : {false, true})
    check_slices(deploy::SparseConvolution(c, in, w, b, {.shifted = shifted, .tile_bytes = 4096}),
                 c, in, Layout::kPlanes, adds);
  check_slices(deploy::DirectConvolution(c, in, w, b), c, in, Layout::kChannelsLast, adds);
  if (!deploy::WinogradConvolution::fits(c)) return;
  check_slices(deploy::WinogradConvolution(c, in, w, b), c, in, Layout::kChannelsLast, adds);
  check_slices(deploy::KernelWinogradConvolution(c, in, w, b), c, in, Layout::kPlanes, adds);
}

TEST_CASE("slices of a convolution by tiles are its rows, to the bit", "[deploy][slices][amx]") {
  test::need_amx();
  check_narrow_slices<deploy::AmxConvolutionOf>();
}

TEST_CASE("slices of a convolution in fewer bits are its rows, to the bit", "[deploy][slices]") {
  test::need_dots();
  check_narrow_slices<deploy::DirectConvolutionOf>();
}

TEST_CASE("sparse convolutions of maps that are small, or whose rows leave lanes idle, are whole",
          "[deploy][slices]") {
  const auto slices = [](int filters, int width) {
    const std::vector<float> weight(static_cast<std::size_t>(filters) * 9, 1.0F),
        bias(static_cast<std::size_t>(filters), 0.0F);
    const Convolutional c{.filters = filters, .size = 3, .padding = 1};
    return deploy::SparseConvolution(c, {1, 416, width}, weight.data(), bias.data(), {}).slices();
  };
  const int lanes = deploy::sparse_kernels_here<float>(false).lanes;
  CHECK_FALSE(slices(8, 416).empty());
  CHECK(slices(2, 416).empty());
  if (lanes == 16) CHECK(slices(16, 16 * 12 + 8).empty());
}

TEST_CASE("a chain computes what its nodes mean, wherever it begins, with few rows in memory",
          "[deploy][slices]") {
  std::mt19937 engine(7);
  const auto layout = GENERATE(Layout::kPlanes, Layout::kChannelsLast);
  int saved = 0;
  for (int round = 0; round < 300; ++round) {
    auto numbers = NumberChain::random(engine);
    if (numbers.nodes.size() < 2) continue;
    auto& nodes = numbers.nodes;
    using deploy::KeptMaps;
    constexpr std::int64_t kRow = 24;  // bytes
    for (auto& node : nodes) {
      node.copies[KeptMaps::kNumbers] = SliceChain::Copy::numbers(node.out, layout);
      if (node.around > 0) node.copies[KeptMaps::kOperands] = {.row = kRow, .behind = 5};
    }
    const SliceChain chain(nodes);
    const auto count = chain.slices();
    const auto begin = std::uniform_int_distribution<std::size_t>(0, count - 1)(engine),
               end = std::uniform_int_distribution(begin, count)(engine);
    const auto cell = [&](const SliceChain::Windows::Rows& rows, std::size_t n, int c, int row,
                          int x) {
      const auto& out = nodes[n].out;
      const auto r = row - rows.first;
      auto* from = reinterpret_cast<float*>(rows.data);
      return layout == Layout::kPlanes ? from + c * rows.plane / 4 + r * out.width + x
                                       : from + (r * out.width + x) * out.channels + c;
    };
    // A row with its padding: what it is in all its bytes.
    const auto mark = [](int row) { return static_cast<std::byte>(100 + row); };
    const auto row_of = [&](const SliceChain::Windows::Rows& rows, int row) {
      return std::span(rows.data + (row - rows.first) * kRow, kRow);
    };
    std::vector<bool> is_made(static_cast<std::size_t>(nodes.back().out.height), false);
    std::vector<int> made(nodes.size(), 0);
    chain.run(begin, end, [&](std::size_t n, std::size_t k, const SliceChain::Windows& windows) {
      const Slice& slice = nodes[n].slices[k];
      made[n] += slice.last - slice.first;
      const auto in_all_cells = [&](std::size_t of, int row) {
        const auto rows = windows(of, KeptMaps::kNumbers);
        const auto at = [&](int c, int x) { return double(*cell(rows, of, c, row, x)); };
        for (int c = 0; c < nodes[of].out.channels; ++c)
          for (int x = 0; x < nodes[of].out.width; ++x) REQUIRE(at(c, x) == at(0, 0));
        return at(0, 0);
      };
      if (n > 0 && nodes[n - 1].around > 0) {  // all that is read, to the last row of padding
        const auto rows = windows(n - 1, KeptMaps::kOperands);
        const auto& node = nodes[n];
        for (int row = slice.from * node.stride - node.padding;
             row < (slice.last - 1) * node.stride - node.padding + node.size; ++row)
          for (const auto byte : row_of(rows, row)) REQUIRE(byte == mark(row));
      }
      if (n < chain.last() && nodes[n].around > 0) {
        const auto rows = windows(n, KeptMaps::kOperands);
        const auto kept = nodes[n].kept(k);
        for (int row = kept.first; row < kept.last; ++row)
          std::ranges::fill(row_of(rows, row), mark(row));
      }
      for (int row = slice.first; row < slice.last; ++row) {
        const double value = numbers.value(
            n, row, [&](int r) { return n == 0 ? r + 1.0 : in_all_cells(n - 1, r); },
            [&](int r) { return in_all_cells(nodes[n].residual, r); });
        const double right = numbers.expected[n][static_cast<std::size_t>(row)];
        REQUIRE(std::abs(value - right) <= 1e-4 * std::max(1.0, std::abs(right)));
        if (n == chain.last()) {
          is_made[static_cast<std::size_t>(row)] = true;
          continue;
        }
        for (int c = 0; c < nodes[n].out.channels; ++c)
          for (int x = 0; x < nodes[n].out.width; ++x)
            *cell(windows(n, KeptMaps::kNumbers), n, c, row, x) = static_cast<float>(right);
      }
      saved += n < chain.last() && chain.room(n) < nodes[n].out.height ? 1 : 0;
    });
    for (std::size_t k = 0; k < count; ++k)
      for (int row = nodes.back().slices[k].first; row < nodes.back().slices[k].last; ++row)
        REQUIRE(is_made[static_cast<std::size_t>(row)] == (k >= begin && k < end));
    for (std::size_t n = 0; n < nodes.size(); ++n) REQUIRE(made[n] <= nodes[n].out.height);
  }
  CHECK(saved > 1000);
}

TEST_CASE("chains are of large maps that nobody else reads, in one layout", "[deploy][slices]") {
  using L = Layout;
  using Chains = std::vector<std::vector<int>>;
  const auto found = [](const Graph& graph, std::vector<Layout> layouts = {},
                        std::vector<bool> is_sliced = {}) {
    const auto n = graph.layers.size();
    layouts.resize(n, L::kPlanes);
    for (std::size_t i = is_sliced.size(); i < n; ++i)
      is_sliced.push_back(graph[static_cast<int>(i)].as<Convolutional>() != nullptr);
    return chains_of(graph, layouts, is_sliced);
  };
  CHECK(found(large_network().shortcut(1).head(2).done()) == Chains{{0, 1, 2, 3, 5}});
  // What somebody else reads lies there as a whole.
  CHECK(found(large_network().head(2).route({1}).head(2).done()) == Chains{{0, 1}, {2, 3, 4}});
  CHECK(found(large_network().shortcut(1).route({0}).head(2).done()) == Chains{{1, 2, 3}});
  CHECK(found(large_network().head(2).route({3}).head(2).done()) == Chains{{0, 1, 2, 3}});
  // Another layout, or a form without slices, ends a chain.
  CHECK(found(large_network().head(2).done(), {L::kPlanes, L::kPlanes, L::kChannelsLast}) ==
        Chains{{0, 1}, {3, 4}});
  CHECK(found(large_network().head(2).done(), {}, {true, true, false}) == Chains{{0, 1}, {3, 4}});
  // A map that is small; what comes before an activation that is not finished in passing.
  const Convolutional small{
      .filters = 2, .size = 3, .padding = 1, .activation = Activation::kLeaky};
  CHECK(found(GraphBuilder({3, 208, 416}).conv(small).conv(small).head(2).done()).empty());
  Convolutional mish{.filters = 16, .size = 3, .padding = 1, .activation = Activation::kMish};
  CHECK(found(GraphBuilder({3, 208, 416}).conv(mish).conv(mish).head(2).done()).empty());
  // No more than there is room for.
  GraphBuilder many({3, 208, 416});
  Convolutional large = small;
  large.filters = 16;
  for (int i = 0; i < 14; ++i) many.conv(large);
  CHECK(found(many.done()) == Chains{{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}, {12, 13}});
}

TEST_CASE("a plan with chains computes what the network computes, equally on any threads",
          "[deploy][slices]") {
  if (deploy::sparse_kernels_here<float>(false).lanes < 4) SKIP("no vectors here");
  const int percent = GENERATE(0, 90);
  auto builder = large_network();
  const bool is_read_twice = GENERATE(false, true);
  builder.shortcut(1, Activation::kLeaky).conv({.filters = 8, .size = 3, .stride = 2}).head(2);
  if (is_read_twice) builder.route({2}).head(1);
  const test::ReferenceNetwork whole(builder.done(), Seed(2));
  const auto network = test::pruned(whole, Weight{}, percent);
  const auto images = test::images_for(network.graph(), 1);
  const auto expected = network.forward(images);
  deploy::PlanOptions options{.measure = false};
  for (const int i : network.graph().convolutions())
    options.choices[network.graph()[i].name] = percent == 0 ? "direct" : "weights";
  auto plan = deploy::make_plan(network, options);
  REQUIRE_FALSE(plan.chains().empty());
  CHECK(plan.chains().front().convolutions.front() == 0);
  const auto first = plan.forward(images);
  CHECK(test::relative_error(first, expected) < 1e-4);
  test::steady(plan, images, first);
  // Its time is told apart by layer.
  const auto seconds = plan.layer_seconds(images);
  for (const auto& chain : plan.chains())
    for (const int i : chain.convolutions) CHECK(seconds[static_cast<std::size_t>(i)] > 0);
}
