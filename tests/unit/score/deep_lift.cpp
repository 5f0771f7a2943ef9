#include "serpette/score/deep_lift.hpp"

#include "serpette/laws/score_init.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "serpette/score/deep_lift_trained.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/small_graphs.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using test::all_kinds;
using test::GraphBuilder;
using test::TinyDetector;

namespace {

/// Signed contributions of one image's weights, by the library.
std::vector<at::Tensor> contributions(TinyDetector& detector, const at::Tensor& x,
                                      const at::Tensor& x0, const at::Tensor& truth) {
  const Attribution net(detector);
  const auto now = net.run(x), then = net.run(x0);
  std::vector<at::Tensor> found(net.graph().convolutions().size());
  net.explain(now, then, detector.targets(net.heads(now), truth),
              [&](std::size_t i, const at::Tensor& sums) { found[i] = net.weight(i) * sums; });
  return found;
}

double difference(TinyDetector& detector, const at::Tensor& x, const at::Tensor& x0,
                  const at::Tensor& truth) {
  const at::NoGradGuard no_grad;
  const auto now = detector.forward(x), then = detector.forward(x0);
  const auto seeds = detector.targets(now, truth);
  double sum = 0;
  for (std::size_t h = 0; h < now.size(); ++h)
    sum += (seeds[h] * (now[h] - then[h])).sum().item<double>();
  return sum;
}

/// One target, and contributions as they are.
constexpr DeepLift kPlain{.target = Target::kDetection, .normalise = Normalise::kNone};

double total(const at::Tensor& t) { return t.sum().item<double>(); }

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using Variables = torch::autograd::variable_list;

/// The second implementation: image and reference stacked as [x; x⁰], run through autograd with
/// output gradients +1 and −1. An activation's backward multiplies both halves by the slope between
/// them, taken naively.
struct SharedSlope : torch::autograd::Function<SharedSlope> {
  static Variable forward(AutogradContext* context, const Variable& y, std::int64_t activation) {
    const auto f = test::activated(y, static_cast<Activation>(activation)).clone();
    const auto in = y.chunk(2), out = f.chunk(2);
    context->save_for_backward({(out[0] - out[1]) / (in[0] - in[1])});
    return f;
  }
  static Variables backward(AutogradContext* context, Variables gradient) {
    const auto slope = context->get_saved_variables()[0];
    return {gradient[0] * torch::cat({slope, slope}), Variable()};
  }
};

/// Max-pool whose backward hands out the credit window by window.
struct SharedCredit : torch::autograd::Function<SharedCredit> {
  static Variable forward(AutogradContext* context, const Variable& x, std::int64_t size,
                          std::int64_t stride, std::int64_t padding) {
    const auto before = padding / 2, after = padding - before;
    const auto padded = torch::constant_pad_nd(x, {before, after, before, after}, -INFINITY);
    context->save_for_backward({x, padded});
    context->saved_data["window"] = std::vector<std::int64_t>{size, stride, before};
    return torch::max_pool2d(padded, size, stride);
  }
  static Variables backward(AutogradContext* context, Variables gradient) {
    const auto saved = context->get_saved_variables();
    const auto window = context->saved_data["window"].toIntVector();
    const auto size = window[0], stride = window[1], before = window[2];
    const auto now = saved[1].chunk(2)[0], then = saved[1].chunk(2)[1];
    const auto m = gradient[0].chunk(2)[0];
    auto credit = torch::zeros_like(now);
    for (std::int64_t n = 0; n < m.size(0); ++n)
      for (std::int64_t c = 0; c < m.size(1); ++c)
        for (std::int64_t i = 0; i < m.size(2); ++i)
          for (std::int64_t j = 0; j < m.size(3); ++j) {
            std::int64_t p[2] = {}, p0[2] = {};
            double y = -INFINITY, y0 = -INFINITY;
            for (auto a = i * stride; a < i * stride + size; ++a)
              for (auto b = j * stride; b < j * stride + size; ++b) {
                const auto v = now[n][c][a][b].item<double>(), v0 = then[n][c][a][b].item<double>();
                if (v > y) {
                  y = v;
                  p[0] = a;
                  p[1] = b;
                }
                if (v0 > y0) {
                  y0 = v0;
                  p0[0] = a;
                  p0[1] = b;
                }
              }
            const double top = std::max(y, y0), weight = m[n][c][i][j].item<double>();
            credit[n][c][p[0]][p[1]] += weight * (top - y0);
            credit[n][c][p0[0]][p0[1]] += weight * (y - top);
          }
    const auto inside = [&](const at::Tensor& t) {
      return t.narrow(2, before, saved[0].size(2)).narrow(3, before, saved[0].size(3));
    };
    const auto multiplier = inside(credit) / (inside(now) - inside(then));
    return {torch::cat({multiplier, -multiplier}), Variable(), Variable(), Variable()};
  }
};

std::vector<at::Tensor> stacked_contributions(const TinyDetector& original, const at::Tensor& x,
                                              const at::Tensor& x0, const at::Tensor& truth) {
  const TinyDetector detector = original.clone();
  const Graph& graph = detector.graph();
  const auto images = torch::cat({x, x0});
  std::vector<at::Tensor> out, weights;
  const auto of = [&](int i) { return i == kImage ? images : out[static_cast<std::size_t>(i)]; };
  for (int i = 0; i < graph.size(); ++i) {
    const auto& layer = graph[i];
    const auto in = of(layer.inputs.front());
    if (const auto* conv = layer.as<Convolutional>()) {
      const auto p = detector.layer(i);
      weights.push_back(p.weight);
      auto y = torch::conv2d(in, p.weight, p.bias, conv->stride, conv->padding, 1, conv->groups);
      if (conv->batch_normalize)
        y = torch::batch_norm(y, p.gamma, p.beta, p.running_mean, p.running_var, false, 0.1, 1e-5,
                              false);
      out.push_back(conv->activation == Activation::kLinear
                        ? y
                        : SharedSlope::apply(y, std::int64_t(conv->activation)));
    } else if (const auto* shortcut = layer.as<Shortcut>()) {
      const auto y = test::shortcut_sum(in, of(layer.inputs[1]));
      out.push_back(shortcut->activation == Activation::kLinear
                        ? y
                        : SharedSlope::apply(y, std::int64_t(shortcut->activation)));
    } else if (const auto* route = layer.as<Route>()) {
      std::vector<at::Tensor> parts;
      for (const int j : layer.inputs)
        parts.push_back(of(j).chunk(route->groups, 1)[static_cast<std::size_t>(route->group_id)]);
      out.push_back(torch::cat(parts, 1));
    } else if (const auto* up = layer.as<Upsample>()) {
      out.push_back(in.repeat_interleave(up->stride, 2).repeat_interleave(up->stride, 3));
    } else if (const auto* pool = layer.as<MaxPool>()) {
      out.push_back(SharedCredit::apply(in, pool->size, pool->stride, pool->padding));
    } else {
      out.push_back(in);
    }
  }
  std::vector<at::Tensor> heads, now, signs;
  for (const int i : graph.heads()) {
    heads.push_back(out[static_cast<std::size_t>(i)]);
    now.push_back(heads.back().detach().chunk(2)[0]);
  }
  for (const auto& seed : detector.targets(now, truth)) signs.push_back(torch::cat({seed, -seed}));
  const auto gradients = torch::autograd::grad(heads, weights, signs);
  std::vector<at::Tensor> found;
  for (std::size_t i = 0; i < weights.size(); ++i)
    found.push_back((weights[i] * gradients[i]).detach());
  return found;
}

}  // namespace

TEST_CASE("Rescale slopes equal their closed forms", "[score][deep_lift]") {
  const auto y = torch::tensor({2.0, -3.0, 1.0, -1.0, 0.5, -0.5, 0.0}, torch::kDouble);
  const auto y0 = torch::tensor({1.0, -1.0, -1.0, 3.0, 0.5, -0.5 - 1e-9, -2.0}, torch::kDouble);
  const auto leaky = [](const at::Tensor& t) { return torch::leaky_relu(t, 0.1); };
  const auto expected = torch::tensor({1.0, 0.1, 0.55, 0.775, 1.0, 0.1, 0.1}, torch::kDouble);
  CHECK(torch::allclose(leaky_slope(leaky(y), leaky(y0), 0.1), expected, 1e-12, 1e-12));
  const auto relu = torch::tensor({1.0, 0.0, 0.5, 0.75, 1.0, 0.0, 0.0}, torch::kDouble);
  CHECK(torch::allclose(relu_slope(y, y0), relu, 1e-12, 1e-12));
  const auto logistic = logistic_slope(y, y0);
  const auto naive = (y.sigmoid() - y0.sigmoid()) / (y - y0);
  for (const int i : {0, 1, 2, 3, 6})
    CHECK(logistic[i].item<double>() == Catch::Approx(naive[i].item<double>()));
  for (const int i : {4, 5})
    CHECK(logistic[i].item<double>() ==
          Catch::Approx(0.2350037122015945).epsilon(1e-9));  // σ(½)·σ(−½)
  for (const auto smooth : {Activation::kMish, Activation::kSwish}) {
    const auto out = test::activated(y, smooth), out0 = test::activated(y0, smooth);
    const auto slope = secant_slope(y, y0, out, out0, smooth);
    const auto naively = (out - out0) / (y - y0);
    for (const int i : {0, 1, 2, 3, 6})
      CHECK(slope[i].item<double>() == Catch::Approx(naively[i].item<double>()));
    // Equal ends, and ends 1e-9 apart: the derivative, by central differences.
    for (const int i : {4, 5}) {
      const auto f = [&](double step) {
        return test::activated(y[i] + step, smooth).item<double>();
      };
      CHECK(slope[i].item<double>() == Catch::Approx((f(1e-5) - f(-1e-5)) / 2e-5).epsilon(1e-8));
    }
    // In single precision neither branch loses more than some 1e-5.
    const auto wide = torch::linspace(-4, 4, 400, torch::kDouble), near = wide + 0.011,
               next = wide + 0.009;
    for (const auto& other : {near, next}) {
      const auto exact = secant_slope(wide, other, test::activated(wide, smooth),
                                      test::activated(other, smooth), smooth);
      const auto a = wide.to(torch::kFloat), b = other.to(torch::kFloat);
      const auto rounded =
          secant_slope(a, b, test::activated(a, smooth), test::activated(b, smooth), smooth);
      CHECK((rounded.to(torch::kDouble) - exact).abs().max().item<double>() < 1e-4);
    }
  }
  // Far ends neither overflow nor vanish into 0/0.
  CHECK(total(logistic_slope(torch::tensor({500.0}), torch::tensor({-500.0}))) ==
        Catch::Approx(1e-3));
  // Sides that keep their sign give the exact slope, in single precision, too.
  const auto big = torch::rand(1000) + 1e-3, small = torch::rand(1000) + 1e-3;
  CHECK(leaky_slope(big, small, kLeakySlope).equal(torch::ones(1000)));
}

TEST_CASE("max-pool credits both maxima, and windows add", "[score][deep_lift]") {
  // One row, windows of two at stride one:   x: 1 5 2    x⁰: 4 3 0
  const auto x = torch::tensor({1.0, 5.0, 2.0}).view({1, 1, 1, 3}),
             x0 = torch::tensor({4.0, 3.0, 0.0}).view({1, 1, 1, 3});
  const auto rows = [](const at::Tensor& t) {
    return torch::cat({t, t - 100}, 2);
  };  // a second, lower row
  const auto m = torch::tensor({1.0, 10.0}).view({1, 1, 1, 2});
  const auto multiplier =
      max_pool_multiplier(m, rows(x), rows(x0), {.size = 2, .stride = 1, .padding = 0});
  // Window 1: y = 5, y⁰ = 4: credit 1 to the middle. Window 2: y = 5, y⁰ = 3: credit 2 · 10 to the
  // middle. Δx = 2.
  const auto expected = torch::tensor({0.0, 10.5, 0.0, 0.0, 0.0, 0.0}).view({1, 1, 2, 3});
  CHECK(torch::allclose(multiplier, expected));
  // The other way round the loss is credited where the maximum was: −1 to the middle of window 1,
  // −20 of window 2.
  const auto back =
      max_pool_multiplier(m, rows(x0), rows(x), {.size = 2, .stride = 1, .padding = 0});
  CHECK(torch::allclose(back, expected));
  // Equal inputs fall back on the derivative.
  const auto same =
      max_pool_multiplier(m, rows(x), rows(x), {.size = 2, .stride = 1, .padding = 0});
  CHECK(torch::allclose(same, torch::tensor({0.0, 11.0, 0.0, 0.0, 0.0, 0.0}).view({1, 1, 2, 3})));
}

TEST_CASE("max-pool's multiplier explains the whole difference, whatever the window",
          "[score][deep_lift]") {
  const auto pool = GENERATE(MaxPool{2, 2, 1}, MaxPool{2, 2, 0}, MaxPool{2, 1, 1}, MaxPool{5, 1, 4},
                             MaxPool{3, 2, 2});
  const auto x = torch::randn({2, 3, 8, 8}, torch::kDouble),
             x0 = torch::randn({1, 3, 8, 8}, torch::kDouble);
  const auto y = PooledMaximum::of(x, pool).value, y0 = PooledMaximum::of(x0, pool).value;
  const auto m = torch::randn_like(y);
  const auto explained = (max_pool_multiplier(m, x, x0, pool) * (x - x0)).sum({1, 2, 3});
  CHECK(torch::allclose(explained, (m * (y - y0)).sum({1, 2, 3}), 1e-10, 1e-10));
}

TEST_CASE("on a linear net DeepLIFT is weight × difference × gradient", "[score][deep_lift]") {
  TinyDetector detector(GraphBuilder({3, 8, 8}).head(2).done(), Seed(3), torch::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 1, Seed(4), torch::kDouble);
  const auto x0 = torch::rand_like(batch.images);
  const auto s = contributions(detector, batch.images, x0, batch.truth)[0];
  const auto weight = detector.layer(0).weight;
  const auto heads = detector.forward(batch.images - x0);
  const auto seed = detector.targets(heads, batch.truth)[0];
  const auto expected = weight * torch::autograd::grad({(heads[0] * seed).sum()}, {weight})[0];
  CHECK(torch::allclose(s, expected, 1e-12, 1e-12));
}

TEST_CASE("contributions add up to the output difference on every layer that cuts the graph",
          "[score][deep_lift]") {
  TinyDetector chain(test::tiny_graph(), Seed(5), torch::kDouble);
  TinyDetector kinds(all_kinds(), Seed(6), torch::kDouble);
  const auto batch = test::tiny_batch(chain.graph(), 1, Seed(7), torch::kDouble);
  for (const auto reference :
       {Reference::kZeros, Reference::kLetterboxGrey, Reference::kImageMean, Reference::kBlurred}) {
    const auto x0 = reference_images(reference, batch.images);
    const double t = difference(chain, batch.images, x0, batch.truth);
    for (const auto& s : contributions(chain, batch.images, x0, batch.truth))
      CHECK(total(s) == Catch::Approx(t).epsilon(1e-8));

    const double u = difference(kinds, batch.images, x0, batch.truth);
    const auto s = contributions(kinds, batch.images, x0, batch.truth);
    REQUIRE(s.size() == 7);
    CHECK(total(s[0]) == Catch::Approx(u).epsilon(1e-8));
    CHECK(total(s[4]) + total(s[6]) == Catch::Approx(u).epsilon(1e-8));
  }
}

TEST_CASE("contributions equal the stacked second implementation", "[score][deep_lift]") {
  TinyDetector detector(all_kinds(), Seed(8), torch::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 1, Seed(9), torch::kDouble);
  const auto x0 = torch::rand_like(batch.images);
  const auto ours = contributions(detector, batch.images, x0, batch.truth);
  const auto theirs = stacked_contributions(detector, batch.images, x0, batch.truth);
  REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    INFO("convolution " << i);
    CHECK(ours[i].abs().max().item<double>() > 0);
    CHECK(torch::allclose(ours[i], theirs[i], 1e-8, 1e-10));
  }
}

TEST_CASE(
    "a zero weight contributes nothing, and no rescaling that batch norm absorbs changes a score",
    "[score][deep_lift]") {
  const at::NoGradGuard no_grad;
  TinyDetector detector(test::tiny_graph(), Seed(10), torch::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 2, Seed(11), torch::kDouble);
  const auto scores = [&] {
    Generator rng{Seed(0)};
    return DeepLift{}.score_all(detector, std::span(&batch, 1), rng);
  };
  const auto p = detector.layer(0);
  p.weight[2][1].zero_();
  const auto before = scores();
  CHECK(before[0][2][1].equal(torch::zeros({3, 3}, torch::kDouble)));
  CHECK(total(before[0]) > 0);

  const double factor = 7.5;
  p.weight[3].mul_(factor);
  p.running_mean[3].mul_(factor);
  p.running_var[3].add_(kBatchNormEpsilon).mul_(factor * factor).sub_(kBatchNormEpsilon);
  const auto after = scores();
  for (std::size_t i = 0; i < after.size(); ++i)
    CHECK(torch::allclose(after[i], before[i], 1e-10, 1e-14));
}

TEST_CASE("the score is the mean over images of the absolute contributions", "[score][deep_lift]") {
  TinyDetector detector(all_kinds(), Seed(12), torch::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 5, Seed(13), torch::kDouble);
  const auto reference = GENERATE(Reference::kZeros, Reference::kBlurred);
  std::vector<at::Tensor> expected;
  for (int n = 0; n < 5; ++n) {
    const auto x = batch.images.narrow(0, n, 1);
    auto truth = batch.truth.narrow(0, n, 1).clone();
    truth.select(1, 0).zero_();
    const auto s = contributions(detector, x, reference_images(reference, x), truth);
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (n == 0) expected.push_back(torch::zeros_like(s[i]));
      expected[i] += s[i].abs() / 5;
    }
  }
  for (const int images_at_once : {1, 2, 8}) {
    Generator rng{Seed(0)};
    auto policy = kPlain;
    policy.reference = reference;
    policy.images_at_once = images_at_once;
    const auto scores = policy.score_all(detector, std::span(&batch, 1), rng);
    for (std::size_t i = 0; i < scores.size(); ++i)
      CHECK(torch::allclose(scores[i], expected[i], 1e-10, 1e-14));
  }
}

TEST_CASE(
    "parts are explained one by one and added, images aggregated as asked, layers spread by |w|",
    "[score][deep_lift]") {
  // Plain loops over signed contributions, image by image and part by part.
  TinyDetector detector(all_kinds(), Seed(18), torch::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 3, Seed(19), torch::kDouble);
  const Attribution net(detector);
  const auto layers = net.graph().convolutions().size();
  const std::vector parts{Target::kBox, Target::kObjectness, Target::kClasses};
  std::vector<ScoreMap> mean(3, ScoreMap(layers)), square = mean, sign = mean, filters = mean;
  for (std::size_t part = 0; part < 3; ++part)
    for (int n = 0; n < 3; ++n) {
      const auto x = batch.images.narrow(0, n, 1);
      auto truth = batch.truth.narrow(0, n, 1).clone();
      truth.select(1, 0).zero_();
      const auto now = net.run(x), then = net.run(torch::zeros_like(x));
      const auto seeds = detector.targets(net.heads(now), truth, parts[part]);
      net.explain(now, then, seeds, [&](std::size_t i, const at::Tensor& sums) {
        const auto s = net.weight(i) * sums;
        const auto add = [&](at::Tensor& to, const at::Tensor& what) {
          to = to.defined() ? to + what / 3 : what / 3;
        };
        add(mean[part][i], s.abs());
        add(square[part][i], s.square());
        add(sign[part][i], s);
        add(filters[part][i], s.sum({1, 2, 3}).abs());
      });
    }
  Generator rng{Seed(0)};
  const auto scores = [&](const auto& policy) {
    return policy.score_all(detector, std::span(&batch, 1), rng);
  };
  const auto close = [](const at::Tensor& a, const at::Tensor& b) {
    return torch::allclose(a, b, 1e-9, 1e-14);
  };
  for (const int at_once : {1, 4}) {
    const auto none = Normalise::kNone;
    const auto by_mean = scores(DeepLift{.normalise = none, .images_at_once = at_once});
    const auto by_rms = scores(
        DeepLift{.aggregate = Aggregate::kRms, .normalise = none, .images_at_once = at_once});
    const auto by_sign = scores(
        DeepLift{.aggregate = Aggregate::kSigned, .normalise = none, .images_at_once = at_once});
    const auto of_layers = scores(DeepLiftLayer{.images_at_once = at_once});
    const auto share = scores(DeepLift{.images_at_once = at_once});
    for (std::size_t i = 0; i < layers; ++i) {
      CHECK(close(by_mean[i], mean[0][i] + mean[1][i] + mean[2][i]));
      CHECK(close(by_rms[i], square[0][i].sqrt() + square[1][i].sqrt() + square[2][i].sqrt()));
      CHECK(close(by_sign[i], sign[0][i].abs() + sign[1][i].abs() + sign[2][i].abs()));
      const auto a = filters[0][i] + filters[1][i] + filters[2][i];
      const auto w = net.weight(i).abs();
      for (std::int64_t f = 0; f < w.size(0); ++f) {
        CHECK(close(of_layers[i][f], a[f] * w[f] / w[f].sum()));
        // A share: every filter that does anything has mean 1, the heads' rows among them; those
        // of an anchor that answers for no truth do nothing.
        const double does = by_mean[i][f].mean().item<double>() > 0 ? 1 : 0;
        CHECK(share[i][f].mean().item<double>() == Catch::Approx(does).epsilon(1e-9));
        CHECK(close(share[i][f] * by_mean[i][f].mean(), by_mean[i][f]));
      }
    }
  }
  // A target without the box leaves the head's rows of the box at exactly 0.
  const auto detection = scores(kPlain);
  CHECK(total(detection.back().narrow(0, 0, 4)) == 0);
}

TEST_CASE("the loss as target is explained along its gradient", "[score][deep_lift]") {
  TinyDetector detector(test::tiny_graph(), Seed(20), torch::kDouble);
  const auto batch = test::tiny_batch(detector.graph(), 1, Seed(21), torch::kDouble);
  const auto heads = detector.forward(batch.images);
  const auto seeds = detector.targets(heads, batch.truth, Target::kLoss);
  const auto loss = detector.loss(heads, batch.truth);
  const auto expected =
      torch::autograd::grad({(loss.box + loss.objectness + loss.classes).sum()}, {heads[0]})[0];
  CHECK(torch::allclose(seeds[0], expected, 1e-12, 1e-14));
}

TEST_CASE(
    "an image's contributions to the loss are the same alone and beside others, without boxes, too",
    "[score][deep_lift]") {
  TinyDetector detector(all_kinds(), Seed(22), torch::kDouble);
  auto batch = test::tiny_batch(detector.graph(), 5, Seed(23), torch::kDouble);
  batch.truth = batch.truth.narrow(0, 1, 1);  // boxes in image 1 alone
  const auto scores = [&](Target target, int images_at_once) {
    Generator rng{Seed(0)};
    return DeepLift{
        .target = target, .normalise = Normalise::kNone, .images_at_once = images_at_once}
        .score_all(detector, std::span(&batch, 1), rng);
  };
  for (const auto target : {Target::kLoss, Target::kDetection}) {
    const auto alone = scores(target, 1);
    for (const int images_at_once : {2, 3, 8}) {
      const auto together = scores(target, images_at_once);
      for (std::size_t i = 0; i < alone.size(); ++i)
        CHECK(torch::allclose(together[i], alone[i], 1e-9, 1e-14));
    }
  }
  // The background of the four others counts.
  const auto all = scores(Target::kLoss, 4);
  batch.images = batch.images.narrow(0, 1, 1);
  batch.truth = batch.truth.clone();
  batch.truth.select(1, 0).zero_();
  const auto one = scores(Target::kLoss, 4);
  CHECK((all.back() - one.back() / 5).min().item<double>() > -1e-12);
  CHECK(total(all.back()) > 1.01 * total(one.back()) / 5);
}

TEST_CASE("the clean image is the reference of its attacked twin", "[score][deep_lift]") {
  TinyDetector detector(test::tiny_graph(), Seed(14), torch::kDouble);
  auto batch = test::tiny_batch(detector.graph(), 2, Seed(15), torch::kDouble);
  const auto attacked = (batch.images + 0.05).clamp(0, 1);
  const auto one = contributions(detector, attacked.narrow(0, 0, 1), batch.images.narrow(0, 0, 1),
                                 batch.truth.narrow(0, 0, 1));
  auto second = batch.truth.narrow(0, 1, 1).clone();
  second.select(1, 0).zero_();
  const auto two =
      contributions(detector, attacked.narrow(0, 1, 1), batch.images.narrow(0, 1, 1), second);

  batch.images = torch::cat({batch.images, attacked});
  Generator rng{Seed(0)};
  auto policy = kPlain;
  policy.reference = Reference::kCleanTwin;
  CHECK(policy.needs_twins());
  const auto scores = policy.score_all(detector, std::span(&batch, 1), rng);
  for (std::size_t i = 0; i < scores.size(); ++i)
    CHECK(torch::allclose(scores[i], (one[i].abs() + two[i].abs()) / 2, 1e-10, 1e-14));

  batch.images = batch.images.narrow(0, 0, 3);
  CHECK_THROWS_AS(policy.score_all(detector, std::span(&batch, 1), rng), Error);
}

TEST_CASE("DeepLIFT holds the laws of a score, and says what it lacks", "[score][deep_lift][law]") {
  TinyDetector detector(all_kinds(), Seed(16));
  auto batch = test::tiny_batch(detector.graph());
  laws::score_init(DeepLift{}, detector, std::span(&batch, 1));
  laws::score_init(DeepLift{.reference = Reference::kImageMean}, detector, std::span(&batch, 1));
  laws::score_init(DeepLiftTrained{}, detector, std::span(&batch, 1));
  laws::score_init(DeepLiftLayer{}, detector, std::span(&batch, 1));
  laws::score_init(Normalised<DeepLiftLayer>{}, detector, std::span(&batch, 1));
  for (const auto target : {Target::kBox, Target::kLogits, Target::kLoss})
    laws::score_init(DeepLift{.target = target}, detector, std::span(&batch, 1));

  Generator rng{Seed(0)};
  const auto run = [&](const DeepLift& policy) {
    return policy.score_all(detector, std::span(&batch, 1), rng);
  };
  CHECK_THROWS_AS(run({.images_at_once = 0}), Error);
  CHECK_THROWS_AS(DeepLift{}.score_all(detector, std::span<const ImageBatch>{}, rng), Error);
  batch.truth = torch::empty({0, 6});
  CHECK_THROWS_WITH(
      run({}), "DeepLIFT: should be given at least one ground-truth box in 2 images, got none");
}

TEST_CASE("DeepLIFT as a start of training has HYDRA's scale and DeepLIFT's order",
          "[score][deep_lift]") {
  TinyDetector detector(test::tiny_graph(), Seed(17));
  const auto batch = test::tiny_batch(detector.graph());
  Generator rng{Seed(0)};
  const auto plain = DeepLift{}.score_all(detector, std::span(&batch, 1), rng);
  const auto start = DeepLiftTrained{}.score_all(detector, std::span(&batch, 1), rng);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double fan_in = double(plain[i].numel()) / double(plain[i].size(0));
    CHECK(start[i].max().item<double>() == Catch::Approx(std::sqrt(6 / fan_in)));
    CHECK(torch::allclose(start[i] / start[i].max(), plain[i] / plain[i].max()));
  }
}
