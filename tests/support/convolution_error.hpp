#pragma once

#include <ostream>

#include "serpette/deploy/finish.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/guarded_output.hpp"
#include "support/pieces.hpp"

namespace serpette::test {

struct ConvolutionCase {
  int channels, height, width, filters, size, stride, padding;
};

inline std::ostream& operator<<(std::ostream& out, const ConvolutionCase& k) {
  return out << k.channels << "×" << k.height << "×" << k.width << " → " << k.filters << ", "
             << k.size << "×" << k.size << "/" << k.stride << " padding " << k.padding;
}

/// Largest difference of a convolution of ours, leaky, from LibTorch's in double, over the largest
/// output.
/// @tparam Form    as DirectConvolution.
/// @param add      whether it adds a residual, and ReLU.
/// @param rounded  what LibTorch's operands are rounded to.
template <class Form>
double convolution_error(const ConvolutionCase& k, int threads, bool add,
                         at::ScalarType rounded = at::kFloat) {
  const Convolutional c{.filters = k.filters,
                        .size = k.size,
                        .stride = k.stride,
                        .padding = k.padding,
                        .activation = Activation::kLeaky};
  const auto x = at::randn({1, k.channels, k.height, k.width}), bias = at::randn({k.filters}),
             weight = at::randn({k.filters, k.channels, k.size, k.size});
  const Form form(c, {k.channels, k.height, k.width}, weight.const_data_ptr<float>(),
                  bias.const_data_ptr<float>());
  const auto operand = [&](const at::Tensor& t) { return t.to(rounded).to(at::kDouble); };
  auto expected = at::leaky_relu(
      at::conv2d(operand(x), operand(weight), bias.to(at::kDouble), k.stride, k.padding), 0.1);
  const auto residual = at::randn_like(expected);
  if (add) expected = at::relu(expected + residual);
  CHECK(form.output() == Shape{k.filters, int(expected.size(2)), int(expected.size(3))});
  const at::Tensor in = x.permute({0, 2, 3, 1}).contiguous(),
                   added = residual.to(at::kFloat).permute({0, 2, 3, 1}).contiguous();
  const at::Tensor y = guarded_output(
      expected.numel(), add ? added : at::Tensor(), [&](float* to, const deploy::Finish& finish) {
        form.run(in.const_data_ptr<float>(), to, finish, Pieces{threads}, threads);
      });
  const auto wanted = expected.permute({0, 2, 3, 1}).reshape(-1);
  return ((y.to(at::kDouble) - wanted).abs().max() / wanted.abs().max()).template item<double>();
}

/// Checks that a convolution gives the same bits however many threads share it.
/// @param x  [H, W, C]
template <class Form>
void threads_change_no_bit(const Form& form, const at::Tensor& x) {
  const auto [filters, height, width] = form.output();
  const auto run = [&, filters = filters, height = height, width = width](int threads) {
    auto y = at::empty({height, width, filters});
    form.run(x.const_data_ptr<float>(), y.template mutable_data_ptr<float>(),
             deploy::Finish{.slope = 0.1F}, Pieces{threads}, threads);
    return y;
  };
  for (const int threads : {2, 3, 8}) CHECK(run(1).equal(run(threads)));
}

}  // namespace serpette::test
