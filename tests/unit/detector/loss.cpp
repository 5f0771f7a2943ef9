#include <algorithm>

#include "serpette/detector/loss.hpp"

#include "support/catch.hpp"
#include "support/golden_heads.hpp"

using namespace serpette;
using Golden = test::GoldenHeads;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace

TEST_CASE("the loss by part, its gradient and its places equal a plain loop over darknet's rules",
          "[model][loss][golden]") {
  Golden golden;
  const bool channels_last = GENERATE(false, true);
  const YoloLoss loss(golden.graph);
  std::vector<at::Tensor> heads;
  for (const auto& head : golden.heads)
    heads.push_back((channels_last ? head.contiguous(at::MemoryFormat::ChannelsLast) : head)
                        .requires_grad_(true));
  const auto assignment = loss.assign(heads, golden.truth);
  const auto parts = loss(heads, assignment);
  CHECK(distance(parts.box, golden.vector("box")) < 1e-9);
  CHECK(distance(parts.objectness, golden.vector("objectness")) < 1e-9);
  CHECK(distance(parts.classes, golden.vector("classes")) < 1e-9);
  CHECK(
      parts.total().item<double>() ==
      Catch::Approx((golden.vector("box") + golden.vector("objectness") + golden.vector("classes"))
                        .sum()
                        .item<double>() /
                    3));

  const auto gradients = torch::autograd::grad(
      {(parts.box + parts.objectness + parts.classes).sum()}, {heads[0], heads[1]});
  for (std::size_t h = 0; h < 2; ++h)
    CHECK(distance(gradients[h], golden.like_head(h, golden.json["gradient"][h])) < 1e-8);

  std::int64_t ignored = 0;
  std::vector<std::vector<std::int64_t>> places;
  const auto least = loss.least_likely(heads, assignment);
  std::map<std::vector<std::int64_t>, std::int64_t> least_likely;
  for (std::size_t h = 0; h < 2; ++h) {
    const auto& a = assignment[h];
    ignored += a.background.numel() - a.background.sum().item<std::int64_t>() - a.image.numel();
    for (std::int64_t k = 0; k < a.image.numel(); ++k) {
      const auto at = [&](const at::Tensor& t) { return t[k].item<std::int64_t>(); };
      places.push_back(
          {static_cast<std::int64_t>(h), at(a.image), at(a.slot), at(a.row), at(a.column)});
      CHECK(least[h][k].sum().item<double>() == 1);
      least_likely[places.back()] = least[h][k].argmax().item<std::int64_t>();
    }
  }
  CHECK(ignored == golden.json["ignored"]);
  std::ranges::sort(places);
  CHECK(places == golden.json["positives"].get<std::vector<std::vector<std::int64_t>>>());
  for (std::vector<std::int64_t> row : golden.json["least_likely"]) {
    const auto category = row.back();
    row.pop_back();
    CHECK(least_likely.at(row) == category);
  }
}

TEST_CASE(
    "targets are one at the logits they add up of every positive, the loss is its own gradient",
    "[model][loss][golden]") {
  Golden golden;
  const YoloLoss loss(golden.graph);
  using enum Target;
  const auto target = GENERATE(kDetection, kDetectionAndBox, kBox, kObjectness, kClasses, kLogits);
  const auto ones = loss.targets(golden.heads, loss.assign(golden.heads, golden.truth), target);
  auto wanted = std::vector{at::zeros_like(golden.heads[0]), at::zeros_like(golden.heads[1])};
  for (std::size_t k = 0; k < golden.json["positives"].size(); ++k) {
    const std::vector<std::int64_t> p = golden.json["positives"][k];
    std::vector<std::int64_t> channels;
    if (target == kDetection || target == kObjectness) channels = {4};
    if (target == kDetectionAndBox) channels = {0, 1, 2, 3, 4};
    if (target == kBox) channels = {0, 1, 2, 3};
    if (target == kClasses) channels = {5, 6, 7};
    if (target == kLogits) channels = {0, 1, 2, 3, 4, 5, 6, 7};
    if (target == kDetection || target == kDetectionAndBox)
      for (const std::int64_t category : golden.json["categories"][k])
        channels.push_back(5 + category);
    for (const auto channel : channels)
      wanted[static_cast<std::size_t>(p[0])][p[1]][p[2] * 8 + channel][p[3]][p[4]] = 1;
  }
  for (std::size_t h = 0; h < 2; ++h) CHECK(at::equal(ones[h], wanted[h]));

  const auto gradients = loss.gradients(golden.heads, loss.assign(golden.heads, golden.truth));
  std::vector<at::Tensor> leaves;
  for (const auto& head : golden.heads) leaves.push_back(head.clone().requires_grad_(true));
  const auto parts = loss(leaves, loss.assign(leaves, golden.truth));
  const auto expected = torch::autograd::grad({parts.total() * parts.box.size(0)}, leaves);
  for (std::size_t h = 0; h < 2; ++h) CHECK(at::allclose(gradients[h], expected[h], 1e-9, 1e-12));
}

TEST_CASE("the gradient equals finite differences with the assignment held fixed",
          "[model][loss][property]") {
  Golden golden;
  const bool new_coords = GENERATE(false, true);
  for (const int head : golden.graph.heads())
    golden.graph.layers[static_cast<std::size_t>(head)].as<Yolo>()->new_coords = new_coords;
  const YoloLoss loss(golden.graph);
  const auto assignment = loss.assign(golden.heads, golden.truth);
  const int part = GENERATE(0, 1, 2);
  const auto value = [&](const std::vector<at::Tensor>& heads) {
    const auto l = loss(heads, assignment);
    return (part == 0   ? l.box
            : part == 1 ? l.objectness
                        : l.classes)
        .dot(torch::tensor({1.0, 0.3, -2.0}, at::kDouble));
  };
  std::vector<at::Tensor> heads{golden.heads[0].clone().requires_grad_(true),
                                golden.heads[1].clone().requires_grad_(true)};
  const auto gradients = torch::autograd::grad({value(heads)}, {heads[0], heads[1]});
  const torch::NoGradGuard no_grad;
  const double h = 1e-5;
  for (std::size_t k = 0; k < 2; ++k) {
    auto flat = heads[k].view(-1);
    // Every logit that any part touches beyond the objectness of background, and a sample of the
    // others.
    const auto interesting = gradients[k].view(-1).ne(0).nonzero().squeeze(1);
    for (std::int64_t i = 0; i < interesting.numel(); i += part == 1 ? 7 : 1) {
      const auto index = interesting[i].item<std::int64_t>();
      const auto kept = flat[index].clone();
      flat[index] = kept + h;
      const auto up = value(heads).item<double>();
      flat[index] = kept - h;
      const auto down = value(heads).item<double>();
      flat[index] = kept;
      REQUIRE(gradients[k].view(-1)[index].item<double>() ==
              Catch::Approx((up - down) / (2 * h)).epsilon(1e-6).margin(1e-8));
    }
  }
  // Where the gradient is zero the loss does not move: a random direction over all logits.
  at::manual_seed(3);
  double wanted = 0;
  std::vector<at::Tensor> up, down;
  for (std::size_t k = 0; k < 2; ++k) {
    const auto direction = at::randn_like(heads[k]);
    wanted += (direction * gradients[k]).sum().item<double>();
    up.push_back(heads[k] + h * direction);
    down.push_back(heads[k] - h * direction);
  }
  CHECK((value(up) - value(down)).item<double>() / (2 * h) == Catch::Approx(wanted).epsilon(1e-6));
}

TEST_CASE("images do not influence each other's loss, and no truth means background alone",
          "[model][loss][property]") {
  Golden golden;
  const YoloLoss loss(golden.graph);
  const auto all = loss(golden.heads, loss.assign(golden.heads, golden.truth));
  for (std::int64_t n = 0; n < 3; ++n) {
    auto truth = golden.truth.index({golden.truth.select(1, 0).eq(n)});
    truth.select(1, 0).zero_();
    const std::vector<at::Tensor> one{golden.heads[0].narrow(0, n, 1),
                                      golden.heads[1].narrow(0, n, 1)};
    const auto alone = loss(one, loss.assign(one, truth));
    CHECK(distance(alone.box[0], all.box[n]) < 1e-12);
    CHECK(distance(alone.objectness[0], all.objectness[n]) < 1e-9);
    CHECK(distance(alone.classes[0], all.classes[n]) < 1e-12);
  }
  const auto empty = loss(golden.heads, loss.assign(golden.heads, at::zeros({0, 6})));
  CHECK(empty.box.abs().sum().item<double>() == 0);
  CHECK(distance(empty.objectness, loss.all_objectness(golden.heads, 1)) < 1e-9);
}

TEST_CASE("assignment repeats bit for bit", "[model][loss]") {
  Golden golden;
  const YoloLoss loss(golden.graph);
  std::vector<at::Tensor> heads{golden.heads[0].to(at::kFloat), golden.heads[1].to(at::kFloat)};
  const auto a = loss.assign(heads, golden.truth), b = loss.assign(heads, golden.truth);
  const auto x = loss(heads, a), y = loss(heads, b);
  CHECK(at::equal(x.objectness, y.objectness));
  CHECK(at::equal(x.box, y.box));
  for (std::size_t h = 0; h < 2; ++h) CHECK(at::equal(a[h].background, b[h].background));
}

TEST_CASE("a loss over what does not fit is refused", "[model][loss][errors]") {
  Golden golden;
  const YoloLoss loss(golden.graph);
  const auto heads = golden.heads;
  CHECK_THROWS_MATCHES(loss.assign({heads[0]}, golden.truth), Error,
                       MessageMatches(ContainsSubstring("heads: should be 2")));
  CHECK_THROWS_MATCHES(loss.assign({heads[1], heads[0]}, golden.truth), Error,
                       MessageMatches(ContainsSubstring(
                           "yolo_2: shape should be [3, 16, 6, 4], got [3, 16, 12, 8]")));
  CHECK_THROWS_MATCHES(loss.assign(heads, golden.truth.narrow(1, 0, 5)), Error,
                       MessageMatches(ContainsSubstring("truth: shape should be [M, 6]")));
  auto truth = golden.truth.clone();
  truth[0][1] = 3;
  CHECK_THROWS_MATCHES(loss.assign(heads, truth), Error,
                       MessageMatches(ContainsSubstring("class should be in 0 to 2")));
  truth = golden.truth.clone();
  truth[0][0] = 3;
  CHECK_THROWS_MATCHES(loss.assign(heads, truth), Error,
                       MessageMatches(ContainsSubstring("image should be in 0 to 2")));
}

TEST_CASE("the gradient follows the weights of parts and images", "[model][loss]") {
  Golden golden;
  const YoloLoss loss(golden.graph);
  Generator rng{Seed(9)};
  const auto assignment = loss.assign(golden.heads, golden.truth);
  const auto n = golden.heads.front().size(0);
  const auto weights = at::empty({3, n}, golden.heads.front().options()).normal_(0, 1, rng.torch());
  std::vector<at::Tensor> directions;
  for (const auto& head : golden.heads)
    directions.push_back(at::empty_like(head).normal_(0, 1, rng.torch()));
  const auto value = [&](double step, std::vector<at::Tensor>* gradient) {
    std::vector<at::Tensor> heads;
    for (std::size_t h = 0; h < directions.size(); ++h)
      heads.push_back((golden.heads[h].detach() + step * directions[h]).requires_grad_(true));
    const auto parts = loss(heads, assignment);
    const auto sum =
        (weights[0] * parts.box + weights[1] * parts.objectness + weights[2] * parts.classes).sum();
    if (gradient != nullptr) *gradient = torch::autograd::grad({sum}, heads);
    return sum.item<double>();
  };
  std::vector<at::Tensor> gradient;
  value(0, &gradient);
  double slope = 0;
  for (std::size_t h = 0; h < directions.size(); ++h)
    slope += (gradient[h] * directions[h]).sum().item<double>();
  const double step = 1e-5,
               difference = (value(step, nullptr) - value(-step, nullptr)) / (2 * step);
  CHECK(slope == Catch::Approx(difference).epsilon(1e-8));
}
