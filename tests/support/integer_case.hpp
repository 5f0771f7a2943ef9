#pragma once

#include "serpette/deploy/output_shape.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/convolution_error.hpp"
#include "support/guarded_output.hpp"
#include "support/pieces.hpp"

namespace serpette::test {

/// Bytes in steps of 1/64, zero at 40, for the map; weights in steps of 1/128: floats hold every
/// sum of products exactly.
inline constexpr deploy::ValueRange kRange{-40.0F / 64, 215.0F / 64};
inline constexpr float kStep = 1.0F / 64, kWeightStep = 1.0F / 128;

/// A convolution's output by plain loops over integers, [H', W', C_out].
/// @param x       [H, W, C_in] in steps, from −40 to 215.
/// @param weight  [C_out, C_in, k, k] in steps, from −127 to 127.
inline at::Tensor by_integers(const Convolutional& c, const Shape& in, const Shape& out,
                              const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias) {
  const auto q = x.accessor<int, 3>();
  const auto w = weight.accessor<int, 4>();
  auto y = at::empty({out.height, out.width, out.channels});
  auto to = y.accessor<float, 3>();
  for (int row = 0; row < out.height; ++row)
    for (int column = 0; column < out.width; ++column)
      for (int f = 0; f < out.channels; ++f) {
        int sum = 0;
        for (int r = 0; r < c.size; ++r)
          for (int s = 0; s < c.size; ++s) {
            const int i = row * c.stride - c.padding + r, j = column * c.stride - c.padding + s;
            if (i < 0 || j < 0 || i >= in.height || j >= in.width) continue;
            for (int k = 0; k < in.channels; ++k) sum += q[i][j][k] * w[f][k][r][s];
          }
        to[row][column][f] =
            static_cast<float>(sum) * (kStep * kWeightStep) + bias.const_data_ptr<float>()[f];
      }
  return y;
}

/// A convolution whose numbers bytes hold exactly, but for some that lie beyond the map's range.
struct IntegerCase {
  Convolutional c;
  Shape in;
  at::Tensor x, weight, bias, expected;  ///< x and what comes of it [H, W, C].

  /// @param extreme  all products of one sign, the largest there are.
  /// @param density  of the weights, but for the largest of each filter.
  IntegerCase(const ConvolutionCase& k, bool extreme, double density = 1)
      : c{.filters = k.filters,
          .size = k.size,
          .stride = k.stride,
          .padding = k.padding,
          .activation = Activation::kLeaky},
        in{k.channels, k.height, k.width} {
    auto q = at::randint(-40, 216, {k.height, k.width, k.channels}, at::kInt);
    auto w = at::randint(-127, 128, {k.filters, k.channels, k.size, k.size}, at::kInt);
    if (extreme) {
      q.fill_(215);
      w.fill_(-127);
    }
    w.masked_fill_(at::rand(w.sizes()) >= density, 0);
    w.flatten(1).select(1, 0).fill_(127);  // of every filter the largest
    bias = at::randint(-64, 64, {k.filters}).to(at::kFloat);
    x = (q * kStep).to(at::kFloat);
    x.masked_fill_(q == 215, 4.0F);  // beyond the range
    weight = (w * kWeightStep).to(at::kFloat).contiguous();
    expected = at::leaky_relu(by_integers(c, in, deploy::output_shape(c, in), q, w, bias), 0.1);
  }

  /// Whether a form gives the same, on some threads, with and without a residual.
  /// @param arrange  from [H, W, C] to how the form's maps lie.
  template <class Form, class Arrange>
  void check(const Form& form, const Arrange& arrange) const {
    const auto input = arrange(x), sums = arrange(expected), residual = at::randn_like(sums);
    for (const int threads : {1, 2, 5})
      for (const bool add : {false, true}) {
        const auto y = guarded_output(sums.numel(), add ? residual : at::Tensor(),
                                      [&](float* to, const deploy::Finish& finish) {
                                        form.run(input.template const_data_ptr<float>(), to, finish,
                                                 Pieces{threads}, threads);
                                      });
        CHECK(y.equal((add ? at::relu(sums + residual) : sums).reshape(-1)));
      }
  }
};

}  // namespace serpette::test
