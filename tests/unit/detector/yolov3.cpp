#include "serpette/detector/yolov3.hpp"

#include "serpette/graph/apply_mask.hpp"
#include "support/catch.hpp"
#include "support/graph_builder.hpp"
#include "support/reference_network.hpp"
#include "support/scratch.hpp"
#include "support/tiny_detector.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

/// Shortcut, routes, upsample, an odd max-pool, two heads, every activation.
Graph net() {
  const auto head = [](std::vector<int> mask) {
    return Yolo{.anchors = {{4, 5}, {8, 9}, {14, 20}, {30, 26}},
                .mask = std::move(mask),
                .classes = 2,
                .ignore_thresh = 0.6F};
  };
  return test::GraphBuilder({3, 32, 48})
      .conv({.filters = 8,
             .size = 3,
             .stride = 2,
             .padding = 1,
             .batch_normalize = true,
             .activation = Activation::kLeaky})                                        // 0
      .conv({.filters = 6, .batch_normalize = true, .activation = Activation::kRelu})  // 1
      .conv({.filters = 8,
             .size = 3,
             .padding = 1,
             .groups = 2,
             .batch_normalize = true,
             .activation = Activation::kSwish})          // 2
      .shortcut(0, Activation::kLeaky)                   // 3
      .max_pool({.size = 2, .stride = 2, .padding = 1})  // 4
      .conv({.filters = 12,
             .size = 3,
             .padding = 1,
             .batch_normalize = true,
             .activation = Activation::kMish})                                             // 5
      .max_pool({.size = 2, .stride = 1, .padding = 1})                                    // 6
      .max_pool({.size = 5, .stride = 1, .padding = 4})                                    // 7
      .route({7, 5})                                                                       // 8
      .head(head({2, 3}))                                                                  // 10
      .route({5})                                                                          // 11
      .conv({.filters = 5, .batch_normalize = true, .activation = Activation::kLogistic})  // 12
      .upsample()                                                                          // 13
      .route({13, 3})                                                                      // 14
      .head(head({0, 1}))                                                                  // 16
      .done();
}

/// A network with random batch norm statistics, and the plain one with the same tensors.
struct Pair {
  test::ReferenceNetwork plain;
  Yolov3 network;

  explicit Pair(std::uint64_t seed = 5) : plain(net(), Seed(seed)), network(plain.graph()) {
    test::copy_parameters(plain, network);
  }
};

at::Tensor images(std::int64_t n = 3) {
  at::manual_seed(1);
  return at::rand({n, 3, 32, 48});
}

at::Tensor truth() {
  return torch::tensor({0.0, 1.0, 0.3, 0.4, 0.5, 0.6, 0.0, 0.0, 0.8, 0.8, 0.1, 0.2, 2.0, 1.0, 0.5,
                        0.5, 0.2, 0.3})
      .view({3, 6});
}

bool same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!at::equal(a[i], b[i])) return false;
  return a.size() == b.size();
}

}  // namespace

TEST_CASE("the module and its frozen form compute what the plainest code computes",
          "[model][yolov3][frozen]") {
  Pair pair;
  const torch::NoGradGuard no_grad;
  const auto wanted = pair.plain.forward(images());
  CHECK(test::relative_error(pair.network.forward(images()), wanted) < 1e-5);
  CHECK(test::relative_error(pair.network.frozen().forward(images()), wanted) < 1e-5);
}

TEST_CASE("the frozen network's image gradient equals autograd through the module",
          "[model][frozen]") {
  Pair pair;
  // In double no weight is packed for oneDNN, as on a GPU.
  const auto type = GENERATE(at::kFloat, at::kDouble);
  for (const int i : pair.network.graph().convolutions())
    for (const auto& tensor : tensors(pair.network.layer(i)))
      tensor.set_data(tensor.detach().to(type));
  const auto gradient = [&](auto&& forward) {
    const auto x = images().to(type).requires_grad_(true);
    const auto heads = forward(x);
    // The heads' own shape as weights: a smooth, uneven sum.
    return torch::autograd::grad({(heads[0].sin().sum() + heads[1].cos().sum())}, {x})[0];
  };
  const auto wanted = gradient([&](const at::Tensor& x) { return pair.network.forward(x); });
  const auto frozen = pair.network.frozen();
  const auto got = gradient([&](const at::Tensor& x) { return frozen.forward(x); });
  CHECK(wanted.abs().max().item<double>() > 1e-3);
  CHECK((got - wanted).abs().max().item<double>() / wanted.abs().max().item<double>() <
        (type == at::kDouble ? 1e-12 : 1e-5));
  for (const auto& p : pair.network.parameters()) CHECK_FALSE(p.grad().defined());
}

TEST_CASE("frozen is a snapshot", "[model][frozen]") {
  Pair pair;
  const torch::NoGradGuard no_grad;
  const auto frozen = pair.network.frozen();
  const auto before = frozen.forward(images());
  for (const auto& p : pair.network.parameters()) p.zero_();
  CHECK(same(frozen.forward(images()), before));
}

TEST_CASE("training uses batch statistics and moves the running ones by the momentum",
          "[model][yolov3]") {
  Pair pair;
  pair.network.set_momentum(0.3);
  pair.network.train(true);
  const auto first = pair.network.layer(0);
  const auto mean = first.running_mean.clone();
  const auto x = at::conv2d(images(), first.weight, {}, 2, 1);
  const auto heads = pair.network.forward(images());
  const auto wanted = mean * 0.7 + x.mean({0, 2, 3}).detach() * 0.3;
  CHECK((first.running_mean - wanted).abs().max().item<double>() < 1e-6);
  pair.network.loss(heads, truth()).total().backward();
  for (const auto& p : pair.network.parameters()) CHECK(p.grad().defined());
  pair.network.train(false);
  const auto kept = first.running_mean.clone();
  const torch::NoGradGuard no_grad;
  pair.network.forward(images());
  CHECK(at::equal(first.running_mean, kept));
}

TEST_CASE("the training gradient equals finite differences in double",
          "[model][yolov3][property]") {
  Pair pair;
  pair.network.train(true);
  auto parameters = pair.network.parameters();
  const torch::NoGradGuard no_grad;
  for (const int i : pair.network.graph().convolutions())
    for (const auto& tensor : tensors(pair.network.layer(i)))
      tensor.set_data(tensor.to(at::kDouble));
  const auto x = images().to(at::kDouble);
  const YoloLoss loss(pair.network.graph());
  const auto assignment = loss.assign(pair.network.forward(x), truth());
  const auto value = [&] { return loss(pair.network.forward(x), assignment).total(); };
  {
    const at::AutoGradMode with_gradient(true);
    value().backward();
  }
  at::manual_seed(8);
  for (auto& p : parameters) {
    const auto direction = at::randn_like(p);
    const auto kept = p.clone();
    const double h = 1e-7;  // small enough to cross no kink
    p.copy_(kept + h * direction);
    const auto up = value().item<double>();
    p.copy_(kept - h * direction);
    const auto down = value().item<double>();
    p.copy_(kept);
    const auto wanted = (p.grad() * direction).sum().item<double>();
    CHECK((up - down) / (2 * h) == Catch::Approx(wanted).epsilon(1e-4).margin(1e-5));
  }
}

TEST_CASE("a training step repeats byte for byte", "[model][yolov3]") {
  std::vector<std::vector<at::Tensor>> gradients;
  for (int run = 0; run < 2; ++run) {
    Pair pair;
    pair.network.train(true);
    pair.network.loss(pair.network.forward(images()), truth()).total().backward();
    gradients.emplace_back();
    for (const auto& p : pair.network.parameters()) gradients.back().push_back(p.grad());
  }
  CHECK(same(gradients[0], gradients[1]));
}

TEST_CASE("frozen layers stay as they are, the others move", "[model][yolov3]") {
  Yolov3 network(net(), Seed(1));
  network.freeze(6);
  const auto before = network.clone();
  network.train(true);
  Generator rng{Seed(2)};
  const auto images = at::rand({3, 3, 32, 48}, rng.torch());
  const auto truth = at::tensor({0.0, 0.0, 0.5, 0.5, 0.3, 0.3}, at::kFloat).view({1, 6});
  network.loss(network.forward(images), truth).total().backward();
  for (const int i : network.graph().convolutions()) {
    const auto now = network.layer(i);
    CHECK(now.weight.grad().defined() == (i >= 6));
    if (now.gamma.defined())
      CHECK(at::equal(now.running_mean, before.layer(i).running_mean) == (i < 6));
  }
  CHECK_THROWS_WITH(network.freeze(100), ContainsSubstring("--freeze"));
}

TEST_CASE("bf16 training stays close to float and keeps float heads", "[model][yolov3]") {
  Pair pair;
  pair.network.train(true);
  const auto wanted = pair.network.forward(images());
  pair.network.set_precision(Precision::kBFloat16);
  const auto got = pair.network.forward(images());
  for (std::size_t h = 0; h < 2; ++h) {
    CHECK(got[h].scalar_type() == at::kFloat);
    CHECK((got[h] - wanted[h]).abs().max().item<double>() / wanted[h].abs().max().item<double>() <
          0.1);
    CHECK_FALSE(at::equal(got[h], wanted[h]));
  }
  pair.network.loss(got, truth()).total().backward();
  for (const auto& p : pair.network.parameters()) {
    REQUIRE(p.grad().defined());
    CHECK(p.grad().scalar_type() == at::kFloat);
    CHECK(p.grad().isfinite().all().item<bool>());
  }
}

TEST_CASE("fresh weights follow the seed", "[model][yolov3]") {
  const auto graph = net();
  const Yolov3 a(graph, Seed(1)), b(graph, Seed(1)), c(graph, Seed(2));
  CHECK(same(a.parameters(), b.parameters()));
  CHECK_FALSE(same(a.parameters(), c.parameters()));
  // Two anchors × (5 + 2): only the objectness of a head starts biased.
  const auto bias = a.layer(9).bias.view({2, 7});
  CHECK(bias.select(1, 4).sigmoid()[0].item<double>() == Catch::Approx(0.01));
  CHECK(bias.narrow(1, 0, 4).abs().sum().item<double>() == 0);
}

TEST_CASE("copies share tensors and clones do not", "[model][yolov3]") {
  Pair pair;
  const torch::NoGradGuard no_grad;
  const auto before = pair.network.forward(images());
  Yolov3 handle = pair.network;
  const Yolov3 clone = pair.network.clone();
  CHECK(same(clone.forward(images()), before));
  handle.layer(0).weight.mul_(2);
  CHECK_FALSE(same(pair.network.forward(images()), before));
  CHECK(same(clone.forward(images()), before));
}

TEST_CASE("the compacted network computes what the masked one computes", "[model][yolov3]") {
  Pair pair;
  const torch::NoGradGuard no_grad;
  Mask mask;
  // conv_0 and conv_2 meet in the shortcut and must lose the same filters, conv_1 the same places
  // of both groups of conv_2; heads keep all.
  const std::map<int, std::vector<std::int64_t>> removed{
      {0, {1, 5}}, {1, {0, 3}}, {2, {1, 5}}, {5, {0, 1, 7}}};
  for (const int i : pair.network.graph().convolutions()) {
    const auto p = pair.network.layer(i);
    LayerMask m{at::ones_like(p.weight, at::kBool), {}};
    if (const auto found = removed.find(i); found != removed.end()) {
      m.filter = at::ones({p.weight.size(0)}, at::kBool);
      for (const auto f : found->second) {
        m.filter[f] = false;
        m.weight[f] = false;
      }
    }
    mask.push_back(m);
  }
  const auto before = pair.network.clone();
  std::size_t k = 0;
  for (const int i : pair.network.graph().convolutions())
    apply_mask(mask[k++], pair.network.layer(i));
  const auto small = pair.network.compact(mask);
  CHECK(small.layer(0).weight.size(0) == 6);
  CHECK(small.layer(2).weight.size(1) == 2);
  CHECK(small.layer(5).weight.size(0) == 9);
  CHECK(small.layer(5).weight.size(1) == 6);
  CHECK(small.layer(9).weight.size(1) == 18);
  CHECK(test::relative_error(small.forward(images()), pair.network.forward(images())) < 1e-5);
  CHECK_FALSE(same(before.forward(images()), pair.network.forward(images())));

  mask.pop_back();
  CHECK_THROWS_MATCHES(pair.network.compact(mask), Error,
                       MessageMatches(ContainsSubstring("mask: should have 7 layers")));
}

TEST_CASE("an victim is the truth's loss and its image gradient", "[model][yolov3][victim]") {
  Pair pair;
  const auto victim = pair.network.victim(truth());
  Aim aim{.goal = Aim::Goal::kTruth, .box = 0.5, .objectness = 2, .classes = 3};
  const auto got = victim(images(), aim);
  const auto x = images().requires_grad_(true);
  const auto parts = pair.network.loss(pair.network.forward(x), truth());
  const auto wanted = 0.5 * parts.box + 2 * parts.objectness + 3 * parts.classes;
  CHECK((got.loss - wanted).abs().max().item<double>() < 1e-3);
  const auto gradient = torch::autograd::grad({wanted.sum()}, {x})[0];
  CHECK((got.gradient - gradient).abs().max().item<double>() <
        1e-4 * gradient.abs().max().item<double>());
  CHECK_FALSE(got.loss.requires_grad());
}

TEST_CASE("every goal ascends towards its end", "[model][yolov3][victim]") {
  Pair pair;
  const auto x = images();
  const auto goal =
      GENERATE(Aim::Goal::kTruth, Aim::Goal::kVanish, Aim::Goal::kFabricate, Aim::Goal::kMislabel);
  const Aim aim{.goal = goal};
  const auto victim = pair.network.victim(truth()).facing(x, aim);
  const auto before = victim(x, aim);
  const auto moved = x + 0.003 * before.gradient.sign();
  const auto after = victim(moved, aim);
  CHECK(after.loss.gt(before.loss).all().item<bool>());
  // The gradient is the value's: a directional derivative by central differences.
  const auto direction = before.gradient / before.gradient.norm();
  const double h = 1e-2;
  const double slope = (victim(x + h * direction, aim).loss - victim(x - h * direction, aim).loss)
                           .sum()
                           .item<double>() /
                       (2 * h);
  CHECK(slope == Catch::Approx(before.gradient.norm().item<double>()).epsilon(0.05));
  const torch::NoGradGuard no_grad;
  const auto objectness = [&](const at::Tensor& images) {
    double sum = 0;
    for (const auto& head : pair.network.forward(images))
      sum += head.unflatten(1, {2, 7}).select(2, 4).sum().item<double>();
    return sum;
  };
  if (goal == Aim::Goal::kVanish) CHECK(objectness(moved) < objectness(x));
  if (goal == Aim::Goal::kFabricate) CHECK(objectness(moved) > objectness(x));
}

TEST_CASE("mislabelling keeps the classes of the clean images as goal", "[model][yolov3][victim]") {
  Pair pair;
  const Aim aim{.goal = Aim::Goal::kMislabel, .box = 0, .objectness = 0};
  auto x = images();
  const auto victim = pair.network.victim(truth()).facing(x, aim);
  CHECK_THROWS_WITH(pair.network.victim(truth()).loss(x, aim),
                    ContainsSubstring("should face the clean images"));
  auto last = victim(x, aim);
  for (int step = 0; step < 20; ++step) {
    x = x + 0.01 * last.gradient.sign();
    const auto next = victim(x, aim);
    CHECK(next.loss.sum().item<double>() > last.loss.sum().item<double>() - 0.05);
    last = next;
  }
  // Image 1 has no truth: nothing to mislabel.
  CHECK(last.loss[1].item<double>() == 0);
  CHECK(last.gradient[1].abs().max().item<double>() == 0);
}

TEST_CASE("mislabelling takes its only class from a network of one", "[model][yolov3][victim]") {
  const auto graph = test::GraphBuilder({3, 16, 16}).head(1, {0, 1, 2}).done();
  const Yolov3 network(graph, Seed(3));
  const auto batch = test::tiny_batch(graph);
  const Aim aim{.goal = Aim::Goal::kMislabel, .box = 0, .objectness = 0};
  const auto lose = [&] {
    return network.victim(batch.truth).facing(batch.images, aim).loss(batch.images, aim);
  };
  const auto before = lose();
  {
    const torch::NoGradGuard no_grad;
    network.layer(graph.convolutions().back()).bias.view({-1, 6}).select(1, 5).add_(1);
  }
  CHECK(lose().lt(before).all().item<bool>());  // surer of the class: farther from the goal
}

TEST_CASE("own boxes and least likely classes are those of the clean images",
          "[model][yolov3][victim]") {
  Pair pair;
  const torch::NoGradGuard no_grad;
  for (const int i : pair.network.graph().convolutions())  // some boxes above the confidence
    if (!pair.network.graph().convolution(i).batch_normalize)
      pair.network.layer(i).bias.view({-1, 7}).select(1, 4).add_(3);
  const auto clean = images(), other = (clean + 0.1).clamp(0, 1);
  const Aim own{.goal = Aim::Goal::kTruth, .own = true};
  const std::vector<Letterbox> canvas(3, Letterbox::fit(48, 32, 48, 32));
  const auto found = decode(pair.network.graph(), pair.network.frozen().forward(clean),
                            {{}, {}, {0, 1, 2}, canvas}, {.confidence = kOwnConfidence});
  REQUIRE(!found[0].empty());
  const auto boxes = as_truth(found, 48, 32);
  const auto victim = pair.network.victim(truth());
  // Wherever the attack stands, its boxes are the clean image's.
  CHECK(at::allclose(victim.facing(clean, own).loss(other, own),
                     pair.network.victim(boxes).loss(other, {})));
  CHECK_FALSE(at::allclose(victim.facing(clean, own).loss(other, own), victim.loss(other, {})));
  // The same classes are aimed at, whichever images are asked about first.
  const Aim mislabel{.goal = Aim::Goal::kMislabel, .own = true};
  const auto faced = victim.facing(clean, mislabel), again = victim.facing(clean, mislabel);
  (void)faced.loss(other, mislabel);
  CHECK(at::equal(faced.loss(clean, mislabel), again.loss(clean, mislabel)));
}

TEST_CASE("a victim's loss alone keeps no graph and costs no backward pass",
          "[model][yolov3][victim]") {
  Pair pair;
  const auto victim = pair.network.victim(truth());
  const auto x = images().requires_grad_(true);
  const auto loss = victim.loss(x, {});
  CHECK_FALSE(loss.requires_grad());
  CHECK(at::allclose(loss, victim(x, {}).loss));
}

TEST_CASE("evading is reached where every true box is unseen or misnamed",
          "[model][yolov3][victim]") {
  Pair pair;
  const torch::NoGradGuard no_grad;
  const Aim aim{.goal = Aim::Goal::kEvade};
  std::vector<at::Tensor> biases;
  for (const int i : pair.network.graph().convolutions())
    if (!pair.network.graph().convolution(i).batch_normalize)
      biases.push_back(pair.network.layer(i).bias.view({-1, 7}));
  const auto lose = [&](double objectness) {
    for (auto& b : biases) b.select(1, 4).fill_(objectness);
    return pair.network.victim(truth()).loss(images(), aim);
  };
  CHECK(lose(-1000).eq(0).all().item<bool>());  // nothing is seen
  CHECK(lose(1000).le(0).all().item<bool>());
  // Seen for certain, the margin of the class is what is left: none of it, and it is evaded.
  for (auto& b : biases) {
    b.select(1, 5).fill_(-1000);
    b.select(1, 6).fill_(1000);
  }
  const auto only_second = lose(5000);
  CHECK(only_second[2].item<double>() < -1000);  // its one box is of class 1
  CHECK(only_second[1].item<double>() == 0);     // no box
}

TEST_CASE("cfg and weights survive saving", "[model][yolov3]") {
  const test::Scratch folder;
  Pair pair;
  pair.network.set_header({0, 2, 0, 4711});
  pair.network.save(folder / "a.cfg", folder / "a.weights");
  const auto again = Yolov3::load(folder / "a.cfg", folder / "a.weights");
  CHECK(again.header().seen == 4711);
  const torch::NoGradGuard no_grad;
  CHECK(same(again.forward(images()), pair.network.forward(images())));
}

TEST_CASE("what does not fit the network is refused", "[model][yolov3][errors]") {
  Pair pair;
  CHECK_THROWS_MATCHES(
      pair.network.forward(at::zeros({1, 3, 48, 32})), Error,
      MessageMatches(ContainsSubstring(
          "images: shape should be [N, 3, 32, 48] as the network's input, got [1, 3, 48, 32]")));
  CHECK_THROWS_MATCHES(pair.network.layer(3), Error,
                       MessageMatches(ContainsSubstring("layer: should be a convolution")));
  const auto headless = parse_cfg("[net]\nwidth=8\nheight=8\n[convolutional]\n", "net");
  CHECK_THROWS_MATCHES(Yolov3(headless), Error,
                       MessageMatches(ContainsSubstring("at least one [yolo] head")));
}
