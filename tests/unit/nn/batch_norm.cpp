#include <ATen/Parallel.h>

#include "serpette/nn/batch_norm.hpp"

#include "serpette/core/seed.hpp"
#include "support/catch.hpp"

using namespace serpette;

namespace {

/// What a batch norm in training and its activation give and change.
struct Outcome {
  at::Tensor y, of_x, of_gamma, of_beta, running_mean, running_var;
};

struct Problem {
  at::Tensor x, gamma, beta, by;  // by: ∂L/∂y
};

Problem problem(at::IntArrayRef shape, double mean, double deviation) {
  Generator rng{Seed(5)};
  const auto draw = [&](at::IntArrayRef s) {
    return at::empty(s, at::kDouble).normal_(0, 1, rng.torch());
  };
  Problem p{draw(shape) * deviation + mean, draw({shape[1]}), draw({shape[1]}), draw(shape)};
  return p;
}

Outcome run(const Problem& p, Activation activation, at::ScalarType maps, at::ScalarType others) {
  const auto x = p.x.to(maps).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
  const auto gamma = p.gamma.to(others).requires_grad_(true),
             beta = p.beta.to(others).requires_grad_(true);
  LayerParameters layer;
  layer.gamma = gamma;
  layer.beta = beta;
  layer.running_mean = at::full_like(gamma.detach(), 0.25);
  layer.running_var = at::full_like(gamma.detach(), 3);
  const auto y = normalise_and_activate(x, layer, activation, true, 0.1);
  const auto g = torch::autograd::grad({y}, {x, gamma, beta}, {p.by.to(maps)});
  return {y.detach(), g[0], g[1], g[2], layer.running_mean, layer.running_var};
}

/// Largest difference as a part of the largest number.
double error(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).abs().max() / b.abs().max()).item<double>();
}

double worst(const Outcome& a, const Outcome& b) {
  return std::max({error(a.y, b.y), error(a.of_x, b.of_x), error(a.of_gamma, b.of_gamma),
                   error(a.of_beta, b.of_beta), error(a.running_mean, b.running_mean),
                   error(a.running_var, b.running_var)});
}

}  // namespace

TEST_CASE("fused batch norm, activation and gradients equal LibTorch's operations in double",
          "[model][batch_norm]") {
  const auto channels = GENERATE(1, 3, 8, 13, 16, 255, 300);
  const auto activation = GENERATE(Activation::kLeaky, Activation::kRelu, Activation::kLinear);
  const auto p = problem({3, channels, 7, 11}, 0.5, 2);
  REQUIRE(serpette::detail::BatchNormActivation::fits(
      p.x.to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast), p.gamma.to(at::kFloat),
      activation));
  REQUIRE_FALSE(serpette::detail::BatchNormActivation::fits(
      p.x.contiguous(at::MemoryFormat::ChannelsLast), p.gamma, activation));
  CHECK(worst(run(p, activation, at::kFloat, at::kFloat),
              run(p, activation, at::kDouble, at::kDouble)) < 1e-5);
}

TEST_CASE("fused batch norm in bfloat16 rounds its inputs and outputs alone",
          "[model][batch_norm]") {
  auto p = problem({4, 24, 9, 9}, 0.5, 2);
  p.x = p.x.to(at::kBFloat16).to(at::kDouble);
  p.by = p.by.to(at::kBFloat16).to(at::kDouble);
  const auto half = run(p, Activation::kLeaky, at::kBFloat16, at::kFloat),
             exact = run(p, Activation::kLeaky, at::kDouble, at::kDouble);
  CHECK(half.y.scalar_type() == at::kBFloat16);
  // All but ties fall on the same neighbour as the exact number's rounding.
  CHECK(half.y.eq(exact.y.to(at::kBFloat16)).to(at::kDouble).mean().item<double>() > 0.999);
  CHECK(half.of_x.eq(exact.of_x.to(at::kBFloat16)).to(at::kDouble).mean().item<double>() > 0.999);
  CHECK(error(half.of_gamma, exact.of_gamma) < 1e-5);
  CHECK(error(half.of_beta, exact.of_beta) < 1e-5);
  CHECK(error(half.running_var, exact.running_var) < 1e-5);
}

TEST_CASE("fused batch norm survives a mean far from zero", "[model][batch_norm]") {
  auto p = problem({8, 5, 32, 32}, 1000, 1);
  p.x = p.x.to(at::kFloat).to(at::kDouble);
  const auto here = run(p, Activation::kLeaky, at::kFloat, at::kFloat),
             exact = run(p, Activation::kLeaky, at::kDouble, at::kDouble);
  CHECK(error(here.running_var, exact.running_var) < 1e-5);
  CHECK(error(here.y, exact.y) < 1e-3);  // μ itself is a float: 3e-5 off
}

TEST_CASE("fused batch norm of a channel that does not vary is its shift, without a gradient",
          "[model][batch_norm]") {
  auto p = problem({2, 4, 6, 6}, 0, 1);
  p.x.select(1, 2).fill_(7);
  const auto r = run(p, Activation::kLinear, at::kFloat, at::kFloat);
  CHECK(r.y.select(1, 2).eq(p.beta[2].to(at::kFloat)).all().item<bool>());
  CHECK(r.y.isfinite().all().item<bool>());
  CHECK(r.of_x.isfinite().all().item<bool>());
}

TEST_CASE("fused batch norm keeps what is no number", "[model][batch_norm]") {
  auto p = problem({2, 4, 6, 6}, 0, 1);
  p.x.index_put_({0, 1, 2, 3}, std::numeric_limits<double>::quiet_NaN());
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const auto y = run(p, Activation::kLeaky, type, at::kFloat).y;
    CHECK(y.select(1, 1).isnan().all().item<bool>());
    CHECK(y.select(1, 0).isfinite().all().item<bool>());
  }
}

TEST_CASE("fused batch norm gives the same bytes on one thread and on two", "[model][batch_norm]") {
  const auto p = problem({4, 24, 64, 64}, 0.5, 2);
  const auto threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run(p, Activation::kLeaky, at::kFloat, at::kFloat);
  at::set_num_threads(2);
  const auto two = run(p, Activation::kLeaky, at::kFloat, at::kFloat);
  at::set_num_threads(threads);
  CHECK(at::equal(one.y, two.y));
  CHECK(at::equal(one.of_x, two.of_x));
  CHECK(at::equal(one.of_gamma, two.of_gamma));
  CHECK(at::equal(one.running_var, two.running_var));
}
