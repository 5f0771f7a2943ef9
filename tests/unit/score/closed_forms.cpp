#include "serpette/laws/score_init.hpp"
#include "serpette/score/batch_norm_gamma.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/hydra_untrained.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/normalised.hpp"
#include "serpette/score/random.hpp"
#include "serpette/score/snip.hpp"
#include "serpette/score/taylor.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"

using namespace serpette;

namespace {
at::Tensor score(const auto& policy, const LayerView& layer, std::uint64_t seed = 0) {
  Generator rng{Seed(seed)};
  return policy.score(layer, rng);
}
at::Tensor score(const auto& policy, const at::Tensor& weight, std::uint64_t seed = 0) {
  return score(policy, LayerView{.name = "conv_0", .weight = weight}, seed);
}
}  // namespace

TEMPLATE_TEST_CASE("every score of one layer holds the laws", "[score][law]", Magnitude, Random,
                   Hydra, HydraUntrained, Snip, Taylor, BatchNormGamma) {
  laws::score_init(TestType{});
}

TEST_CASE("HYDRA's start equals its closed form", "[score][hydra]") {
  // fan_in = 2 · 1 · 3 = 6, so √(6 / fan_in) = 1: the scores are w / max|w|.
  const auto weight =
      torch::tensor({1.0, -4.0, 0.5, 2.0, 0.0, -3.0, 1.5, 2.5, -0.5, 4.0, -1.0, 3.5})
          .view({2, 2, 1, 3});
  CHECK(torch::allclose(score(Hydra{}, weight), weight / 4));
  const auto random = torch::randn({8, 5, 3, 3});
  const auto expected = random * (std::sqrt(6.0 / 45) / random.abs().max().item<double>());
  CHECK(torch::allclose(score(Hydra{}, random), expected));
  CHECK(torch::allclose(score(HydraUntrained{}, random).to(torch::kFloat), expected));
  CHECK(score(Hydra{}, random).scalar_type() == torch::kFloat);
}

TEST_CASE("HYDRA's untrained start ranks exactly as magnitude does", "[score][hydra]") {
  // 200,000 weights crowd the floats of their binades, so that single precision would tie some that
  // differ.
  const auto weight = torch::randn({200, 1000, 1, 1});
  const auto order = [](const at::Tensor& s) { return s.abs().flatten().argsort(/*stable=*/true); };
  CHECK(order(score(HydraUntrained{}, weight)).equal(order(score(Magnitude{}, weight))));
}

TEST_CASE("the score gradient is autograd's, straight through the mask", "[score][hydra]") {
  const auto weight = torch::randn({4, 3, 3, 3}, torch::kDouble);
  const auto x = torch::randn({2, 3, 6, 6}, torch::kDouble);
  const auto scores = torch::randn_like(weight).set_requires_grad(true);
  const auto mask = scores.detach().abs().gt(0.7);
  // M(|s|) with the identity as its derivative: value M, gradient of |s|.
  const auto through = scores.abs() + (mask.to(torch::kDouble) - scores.abs()).detach();
  const auto effective = (weight * through);
  effective.retain_grad();
  torch::conv2d(x, effective).square().sum().backward();
  const auto formula = straight_through_gradient(effective.grad(), weight, scores.detach());
  CHECK(torch::allclose(formula, scores.grad(), 1e-12));
  CHECK(formula.masked_select(~mask).abs().max().item<double>() > 0);  // dropped entries learn, too
}

TEST_CASE("the gradient scores and the filter score equal their formulas", "[score]") {
  LayerView layer{.name = "conv_0", .weight = torch::tensor({2.0F, -3.0F}).view({2, 1, 1, 1})};
  layer.gradient = torch::tensor({-0.5F, -1.0F}).view({2, 1, 1, 1});
  CHECK(score(Snip{}, layer).flatten().equal(torch::tensor({1.0F, 3.0F})));
  CHECK(score(Taylor{}, layer).flatten().equal(torch::tensor({1.0F, 9.0F})));
  CHECK(score(BatchNormGamma{}, layer).flatten().equal(torch::ones(2)));
  layer.gamma = torch::tensor({-0.25F, 4.0F});
  CHECK(score(BatchNormGamma{}, layer).flatten().equal(torch::tensor({0.25F, 4.0F})));
}

TEST_CASE("random scores follow the seed", "[score]") {
  const auto weight = torch::randn({8, 4, 3, 3});
  CHECK(score(Random{}, weight, 1).equal(score(Random{}, weight, 1)));
  CHECK_FALSE(score(Random{}, weight, 1).equal(score(Random{}, weight, 2)));
}

TEST_CASE("normalised scores equal plain loops", "[score][normalised]") {
  auto s = at::randn({3, 4, 2, 2}, at::kDouble);
  s[1].zero_();  // a dead filter stays dead
  const auto mean = [](const at::Tensor& t) { return t.abs().mean().item<double>(); };
  const auto filter = normalised(Normalise::kFilter, s);
  const auto both = normalised(Normalise::kFilterAndInput, s);
  const auto layer = normalised(Normalise::kLayer, s);
  for (int f = 0; f < 3; ++f)
    for (int c = 0; c < 4; ++c)
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
          const double value = std::abs(s[f][c][i][j].item<double>());
          const auto close = [&](const at::Tensor& t, double by) {
            CHECK(t[f][c][i][j].item<double>() == Catch::Approx(f == 1 ? 0 : value / by));
          };
          close(filter, mean(s[f]));
          close(layer, mean(s));
          close(both, mean(s[f]) * mean(s.select(1, c)) / mean(s));
        }
  CHECK(normalised(Normalise::kNone, s).equal(s.abs()));
  CHECK(normalised(Normalise::kLayer, at::zeros_like(s)).equal(at::zeros_like(s)));
}

TEST_CASE("any score can be normalised", "[score][normalised][law]") {
  laws::score_init(Normalised<Magnitude>{});
  laws::score_init(Normalised<Snip>{.normalise = Normalise::kLayer});
  laws::score_init(Normalised<Taylor>{.normalise = Normalise::kFilterAndInput});
  CHECK(Normalised<Magnitude>::name == "Normalised Magnitude");
  CHECK_FALSE(needs_input<Normalised<Magnitude>>);
  CHECK(needs_gradient<Normalised<Snip>>);
  const auto w = at::randn({4, 3, 3, 3});
  CHECK(score(Normalised<Magnitude>{}, w).equal(normalised(Normalise::kFilter, w)));
}

TEST_CASE("HYDRA's rate is for a loss that is a sum over boxes, its literal one has a name",
          "[score][hydra]") {
  CHECK(Hydra{}.optimizer.learning_rate == 0.01);
  constexpr Hydra literal{.optimizer = {.learning_rate = StraightThroughSgd::kLiteralRate}};
  CHECK(literal.optimizer.learning_rate == 0.1);
}
