#include "serpette/deploy/rounded_map.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <vector>

#include "serpette/deploy/amx_convolution.hpp"
#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/winograd_convolution.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"
#include "support/need_cpu.hpp"
#include "support/pieces.hpp"

using namespace serpette;
using deploy::AmxConvolutionOf;
using deploy::BFloat16;
using deploy::DirectConvolutionOf;
using deploy::Int8;
using deploy::Quantization;
using deploy::RoundedLayout;
using deploy::RoundedRows;
using deploy::WinogradConvolutionOf;
using test::ConvolutionCase;
using test::need_amx;
using test::need_dots;

namespace {

constexpr std::byte kUntouched{0xff};  // as bfloat16 none
constexpr std::size_t kGuard = 256;

/// Memory of some rows of a rounded map, padding included, with guards around it.
struct RoundedWindow {
  RoundedWindow(const RoundedLayout& layout_, std::int64_t first_, std::int64_t last)
      : layout(layout_),
        first(first_),
        bytes(kGuard +
                  static_cast<std::size_t>((last - first) * layout.row() +
                                           layout.behind * layout.of_number()) +
                  kGuard,
              kUntouched) {}
  explicit RoundedWindow(const RoundedLayout& layout)
      : RoundedWindow(layout, -layout.padding, layout.shape.height + layout.padding) {}

  [[nodiscard]] RoundedRows rows() { return {bytes.data() + kGuard, first, layout}; }

  /// A number's bytes by plain arithmetic.
  [[nodiscard]] std::byte* number(std::int64_t row, std::int64_t column, std::int64_t n) {
    const std::int64_t across = layout.shape.width + 2 * layout.padding;
    return bytes.data() + kGuard +
           (((row - first) * across + column + layout.padding) * layout.depth + n) *
               layout.of_number();
  }
  void set(std::int64_t row, std::int64_t column, std::int64_t n, float value) {
    if (layout.bytes) {
      const auto byte = (*layout.bytes)(value);
      std::memcpy(number(row, column, n), &byte, 1);
    } else {
      const BFloat16 half(value);
      std::memcpy(number(row, column, n), &half, 2);
    }
  }
  /// What a map [H, W, C] becomes in rows begin … end − 1, those of the padding included.
  void fill(const at::Tensor& map, std::int64_t begin, std::int64_t end) {
    const auto x = map.accessor<float, 3>();
    const std::int64_t p = layout.padding, height = map.size(0), width = map.size(1),
                       channels = map.size(2);
    for (auto row = begin; row < end; ++row)
      for (auto column = -p; column < width + p; ++column) {
        const bool is_inside = row >= 0 && row < height && column >= 0 && column < width;
        // Beside the map all numbers of a cell are set; in it those that are filled.
        for (std::int64_t n = 0; n < (is_inside ? layout.filled : layout.depth); ++n)
          set(row, column, n, is_inside && n < channels ? x[row][column][n] : 0.0F);
      }
  }

  RoundedLayout layout;
  std::int64_t first;
  std::vector<std::byte> bytes;
};

template <class Number>
deploy::Rounding<Number> some_rounding(float least) {
  deploy::Rounding<Number> rounding;
  if constexpr (deploy::kTogether<Number> == 4) rounding.by = Quantization::of({least, 3});
  return rounding;
}

/// Numbers that bfloat16 holds exactly.
at::Tensor exact(at::IntArrayRef sizes) {
  return at::randn(sizes).to(at::kBFloat16).to(at::kFloat);
}

/// The kinds of convolution that read and write rounded maps.
template <class>
struct Kind;
template <class Number_>
struct Kind<AmxConvolutionOf<Number_>> {
  using Number = Number_;
};
template <class Number_>
struct Kind<DirectConvolutionOf<Number_>> {
  using Number = Number_;
};
template <class Number_>
struct Kind<WinogradConvolutionOf<Number_>> {
  using Number = Number_;
};
template <class Form>
constexpr bool kIsWinograd = std::is_same_v<Form, WinogradConvolutionOf<BFloat16>>;
template <class Form>
constexpr bool kIsTiles = std::is_same_v<Form, AmxConvolutionOf<BFloat16>> ||
                          std::is_same_v<Form, AmxConvolutionOf<Int8>>;

/// Skips a test where a kind of convolution cannot be computed.
template <class Form>
void need() {
  if (kIsTiles<Form>) need_amx();
  const bool is_bytes = std::is_same_v<typename Kind<Form>::Number, Int8>;
  if (is_bytes ? !deploy::has_int8() : !deploy::has_bfloat16())
    SKIP("this processor has no products of such numbers");
}

template <class Form>
Form make_form(const Convolutional& c, const Shape& in, const at::Tensor& weight,
               const at::Tensor& bias) {
  const auto *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  if constexpr (kIsWinograd<Form>)
    return {c, in, w, b};
  else
    return {c, in, w, b, some_rounding<typename Kind<Form>::Number>(-2)};
}

/// Convolutions whose last panels have one vector of filters and a part of one; strides; chunks of
/// channels that are whole, and others; few channels; maps that fill no whole number of Winograd's
/// tiles, and more than one block of them.
template <class Form>
ConvolutionCase rounded_case() {
  const auto fits = [](const ConvolutionCase& k) {
    return (!kIsWinograd<Form> || (k.size == 3 && k.stride == 1)) &&
           (!kIsTiles<Form> || k.channels >= 30);  // of fewer they read floats
  };
  return GENERATE_REF(filter(fits, values<ConvolutionCase>({{64, 13, 13, 100, 1, 1, 0},
                                                            {64, 13, 13, 48, 3, 1, 1},
                                                            {45, 20, 11, 45, 3, 1, 1},
                                                            {192, 9, 21, 40, 3, 2, 1},
                                                            {70, 40, 37, 64, 3, 2, 1},
                                                            {256, 6, 5, 255, 3, 1, 0},
                                                            {128, 3, 40, 530, 1, 1, 0},
                                                            {520, 21, 17, 70, 1, 1, 0},
                                                            {33, 26, 50, 16, 5, 1, 2},
                                                            {64, 53, 45, 70, 3, 1, 1},
                                                            {20, 70, 61, 36, 3, 1, 1},
                                                            {3, 31, 22, 40, 3, 2, 1},
                                                            {8, 15, 18, 33, 3, 1, 1},
                                                            {5, 12, 9, 20, 5, 1, 2}})));
}

/// What other convolutions may want of an output: padding or none, gaps between cells or none,
/// zeros behind the channels, bytes or halves.
std::vector<RoundedLayout> wanted_layouts(const Shape& s) {
  const std::int64_t c = s.channels, even = (c + 1) / 2 * 2, by_four = (c + 3) / 4 * 4;
  const auto bytes = Quantization::of({-1, 5});
  return {{.shape = s, .depth = c, .filled = c},
          {.shape = s, .padding = 1, .depth = even + 32, .filled = even, .behind = 77},
          {.shape = s, .padding = 2, .depth = by_four, .filled = by_four, .bytes = bytes},
          {.shape = s, .depth = by_four + 64, .filled = c, .bytes = bytes}};
}

/// Which maps a convolution writes.
struct Outputs {
  std::optional<RoundedLayout> first = {}, second = {};
  bool has_numbers = false;
};
std::vector<Outputs> wanted_outputs(const Shape& out) {
  auto all = wanted_layouts(out);
  if (!deploy::has_bfloat16()) std::erase_if(all, [](const auto& layout) { return !layout.bytes; });
  std::vector<Outputs> outputs{{.has_numbers = true}, {.second = all.back()}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    outputs.push_back({.first = all[i], .has_numbers = i % 2 == 0});
    outputs.push_back(
        {.first = all[i], .second = all[(i + 1) % all.size()], .has_numbers = i % 2 == 0});
  }
  return outputs;
}

/// Checks that a convolution reads, adds and writes rounded maps as if they were floats.
template <class Form>
void check_rounded(const ConvolutionCase& k) {
  const Convolutional c{.filters = k.filters,
                        .size = k.size,
                        .stride = k.stride,
                        .padding = k.padding,
                        .activation = Activation::kLeaky};
  const Shape in{k.channels, k.height, k.width};
  const std::vector<std::int64_t> of_x{k.height, k.width, k.channels};
  // Winograd's rounds what it has transformed: only of numbers that are round already it makes the
  // same.
  const at::Tensor x = kIsWinograd<Form> ? exact(of_x) : at::randn(of_x);
  const auto bias = at::randn({k.filters}),
             weight = at::randn({k.filters, k.channels, k.size, k.size});
  const Form form = make_form<Form>(c, in, weight, bias);
  const Shape out = form.output();
  const at::Tensor residual = exact({out.height, out.width, out.channels});
  enum class Adds { kNothing, kFloats, kRounded };
  const auto adds = GENERATE(Adds::kNothing, Adds::kFloats, Adds::kRounded);
  if (adds == Adds::kRounded && !deploy::has_bfloat16()) SKIP("this processor has no AVX512-BF16");
  deploy::Finish finish{.slope = 0.1F, .residual_slope = 0.2F};
  auto with_floats = finish;
  if (adds != Adds::kNothing) with_floats.residual = residual.const_data_ptr<float>();
  auto expected = at::empty({out.height, out.width, out.channels});
  form.run(x.const_data_ptr<float>(), expected.mutable_data_ptr<float>(), with_floats,
           deploy::on_one_thread, 1);
  if (adds == Adds::kFloats) finish = with_floats;

  const auto reads = form.reads();
  REQUIRE(reads.has_value());
  CHECK(reads->shape == in);
  const RoundedLayout adds_as{
      .shape = out, .padding = 1, .depth = out.channels + 3, .filled = out.channels};
  // Rows begin … end − 1 of maps; behind them and before them nothing that could be read.
  const auto rows_of = [](const RoundedLayout& layout, const at::Tensor& map, std::int64_t begin,
                          std::int64_t end) {
    RoundedWindow window(layout, begin, end);
    window.fill(map, begin, end);
    return window;
  };
  auto whole_x = rows_of(*reads, x, -reads->padding, k.height + reads->padding),
       whole_residual = rows_of(adds_as, residual, -1, out.height + 1);
  const auto slices = form.slices();
  for (const auto& [first, second, has_numbers] : wanted_outputs(out)) {
    for (const int threads : {1, 2, 5}) {
      auto y = at::empty_like(expected);
      deploy::RoundedMaps maps{.x = whole_x.rows(), .y = {}, .residual = {}};
      if (adds == Adds::kRounded) maps.residual = whole_residual.rows();
      std::vector<RoundedWindow> made, right;
      made.reserve(2);
      for (const std::size_t m : {0U, 1U})
        if (const auto& layout = m == 0 ? first : second) {
          made.emplace_back(*layout);
          maps.y[m] = made.back().rows();
          right.push_back(
              rows_of(*layout, expected, -layout->padding, out.height + layout->padding));
        }
      form.run(nullptr, has_numbers ? y.mutable_data_ptr<float>() : nullptr, finish,
               test::Pieces{threads}, threads, maps);
      for (std::size_t m = 0; m < made.size(); ++m) CHECK((made[m].bytes == right[m].bytes));
      if (has_numbers) CHECK(y.equal(expected));
    }
    // The same slice by slice, from and into windows.
    for (std::size_t nth = 0; nth < slices.size(); ++nth) {
      const auto& slice = slices[nth];
      const std::int64_t top = slice.first * k.stride - k.padding,
                         end = (slice.last - 1) * k.stride - k.padding + k.size,
                         begin = std::max<std::int64_t>(top, -reads->padding);
      auto from = rows_of(*reads, x, begin, std::min<std::int64_t>(end, k.height + reads->padding)),
           added = rows_of(adds_as, residual, slice.first, slice.last);
      deploy::RowMaps<> maps;
      maps.finish = {.slope = finish.slope, .residual_slope = finish.residual_slope};
      maps.rounded.x = from.rows();
      if (adds == Adds::kRounded) maps.rounded.residual = added.rows();
      if (adds == Adds::kFloats)
        maps.residual = {static_cast<const float*>(residual[slice.first].const_data_ptr()),
                         slice.first};
      auto y = at::empty({slice.last - slice.first, out.width, out.channels});
      if (has_numbers) maps.y = {static_cast<float*>(y.data_ptr()), slice.first};
      std::vector<RoundedWindow> made, right;
      made.reserve(2);
      for (const std::size_t m : {0U, 1U})
        if (const auto& layout = m == 0 ? first : second) {
          const auto before = slice.first - (nth == 0 ? layout->padding : 0),
                     behind = slice.last + (nth + 1 == slices.size() ? layout->padding : 0);
          made.emplace_back(*layout, before, behind);
          maps.rounded.y[m] = made.back().rows();
          right.push_back(rows_of(*layout, expected, before, behind));
        }
      form.run_slice(nth, maps);
      for (std::size_t m = 0; m < made.size(); ++m) CHECK((made[m].bytes == right[m].bytes));
      if (has_numbers) CHECK(y.equal(expected.slice(0, slice.first, slice.last)));
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("convolutions read, add and write rounded maps as if they were floats",
                   "[deploy][amx][rounded]", AmxConvolutionOf<BFloat16>, AmxConvolutionOf<Int8>,
                   DirectConvolutionOf<BFloat16>, DirectConvolutionOf<Int8>,
                   WinogradConvolutionOf<BFloat16>) {
  need<TestType>();
  at::manual_seed(11);
  const auto k = rounded_case<TestType>();
  INFO(k);
  check_rounded<TestType>(k);
}

TEST_CASE("a convolution whose taps are shorter than a chunk reads floats",
          "[deploy][amx][rounded]") {
  need_amx();
  const auto reads = [](int channels, int size) {
    const std::vector<float> weight(static_cast<std::size_t>(channels * size * size), 0.5F),
        bias(1, 0.0F);
    return AmxConvolutionOf<BFloat16>({.filters = 1, .size = size}, {channels, 8, 8}, weight.data(),
                                      bias.data())
        .reads()
        .has_value();
  };
  CHECK_FALSE(reads(3, 3));
  CHECK_FALSE(reads(29, 1));
  CHECK(reads(32, 1));
  CHECK(reads(11, 3));
}

TEST_CASE("a direct form wants padding around few channels, where that is little",
          "[deploy][rounded]") {
  need_dots();
  const auto padding = [](const Convolutional& c, const Shape& in) {
    const std::vector<float> weight(
        static_cast<std::size_t>(c.filters * in.channels * c.size * c.size), 0.5F),
        bias(static_cast<std::size_t>(c.filters), 0.0F);
    return DirectConvolutionOf<BFloat16>(c, in, weight.data(), bias.data()).reads()->padding;
  };
  CHECK(padding({.filters = 1, .size = 3, .padding = 1}, {3, 8, 8}) == 1);
  CHECK(padding({.filters = 1, .size = 3, .padding = 1}, {64, 8, 8}) == 0);
  CHECK(padding({.filters = 1, .size = 3, .padding = 3}, {3, 8, 8}) == 0);
  CHECK(padding({.filters = 1, .size = 15, .padding = 7}, {1, 1, 1 << 15}) == 7);
  CHECK(padding({.filters = 1, .size = 15, .padding = 7}, {1, 1, 1 << 20}) == 0);
}
