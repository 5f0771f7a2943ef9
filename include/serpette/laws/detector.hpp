#pragma once

#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/laws/catch.hpp"
#include "serpette/torch/ops.hpp"

namespace serpette::laws {

namespace detail {
inline bool close(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::ranges::equal(
      a, b, [](const auto& x, const auto& y) { return at::allclose(x, y, 1e-4, 1e-5); });
}
}  // namespace detail

/// The heads have the graph's shapes; clones, frozen, saved and compacted networks are the same.
template <Detector D>
void detector_is_one_network(D& subject, const ImageBatch& batch,
                             const std::filesystem::path& folder) {
  using detail::close;
  const at::NoGradGuard no_grad;
  const Graph& graph = subject.graph();
  const auto convolutions = graph.convolutions();
  const auto heads = subject.forward(batch.images);
  const auto places = graph.heads();
  REQUIRE(heads.size() == places.size());
  for (auto&& [head, index] : ranges::views::zip(heads, places)) {
    const Shape& out = graph[index].output;
    CHECK(head.sizes() == at::IntArrayRef({batch.size(), out.channels, out.height, out.width}));
  }
  CHECK(close(subject.forward(batch.images), heads));  // equal images, equal heads

  Mask everything;
  for (const int i : convolutions) {
    const at::Tensor weight = LayerParameters(subject.layer(i)).weight;
    CHECK(weight.sizes() == at::IntArrayRef(weight_shape(graph, i)));
    everything.push_back({at::ones_like(weight, at::kBool), {}});
  }
  D compacted = subject.compact(everything);
  CHECK(close(compacted.forward(batch.images), heads));
  CHECK(close(subject.frozen().forward(batch.images), heads));
  subject.save(folder / "net.cfg", folder / "net.weights");
  D loaded = D::load(folder / "net.cfg", folder / "net.weights");
  CHECK(close(loaded.forward(batch.images), heads));
  subject.to(at::kCPU);
  CHECK(close(subject.forward(batch.images), heads));

  D copy = subject.clone();
  CHECK(close(copy.forward(batch.images), heads));
  for (const int i : convolutions) LayerParameters(copy.layer(i)).weight.mul_(1.5);  // handles
  CHECK_FALSE(close(copy.forward(batch.images), heads));
  CHECK(close(subject.forward(batch.images), heads));
}

/// Training takes the batch's statistics and moves the running ones by the momentum; the loss is a
/// sum per image, and every parameter has a gradient of it.
template <Detector D>
void detector_trains(D& subject, const ImageBatch& batch) {
  D copy = subject.clone();
  const auto mean = [&] {
    for (const int i : copy.graph().convolutions())
      if (const LayerParameters p = copy.layer(i); p.running_mean.defined())
        return p.running_mean.detach().clone();
    FAIL("a network for this law should have batch norm");
    return at::Tensor();
  };
  {
    const at::NoGradGuard no_grad;
    const auto before = mean();
    copy.set_momentum(0.25);
    CHECK(copy.momentum() == 0.25);
    copy.train(true);
    (void)copy.forward(batch.images);
    const auto quarter = mean() - before;
    (void)copy.forward(batch.images);  // a quarter of what is left
    CHECK(at::allclose(mean() - before, quarter * 1.75, 1e-3, 1e-5));
    copy.train(false);
    const auto after = mean();
    (void)copy.forward(batch.images);
    CHECK(mean().equal(after));
  }
  copy.train(true);
  const auto loss = copy.loss(copy.forward(batch.images), batch.truth);
  CHECK(loss.box.sizes() == at::IntArrayRef({batch.size()}));
  const auto total = loss.total();
  CHECK((total.template item<double>() > 0 && std::isfinite(total.template item<double>())));
  total.backward();
  const auto parameters = copy.parameters();
  CHECK_FALSE(parameters.empty());
  for (const auto& parameter : parameters) {
    REQUIRE(parameter.grad().defined());
    CHECK(parameter.grad().isfinite().all().template item<bool>());
  }
}

/// A victim raises the loss along its gradient, image by image, and changes nothing; it answers
/// every aim, and for some of the images what it answers for all.
template <Detector D>
void detector_is_attacked(D& subject, const ImageBatch& batch) {
  const Victim victim = subject.victim(batch.truth);
  const auto ascent = victim(batch.images, {});
  CHECK(ascent.gradient.sizes() == batch.images.sizes());
  CHECK_FALSE(ascent.loss.requires_grad());
  CHECK(at::allclose(victim.loss(batch.images, {}), ascent.loss, 1e-4, 1e-5));
  const auto uphill = batch.images + ascent.gradient.sign() * 1e-3;
  CHECK((victim.loss(uphill, {}) > ascent.loss).all().template item<bool>());
  auto changed = batch.images.clone();
  changed.select(0, 0).fill_(0.5);
  CHECK(at::allclose(victim.loss(changed, {}).slice(0, 1), ascent.loss.slice(0, 1), 1e-4, 1e-5));
  for (const auto& parameter : subject.parameters()) CHECK_FALSE(parameter.grad().defined());
  for (const auto goal : {Aim::Goal::kTruth, Aim::Goal::kVanish, Aim::Goal::kFabricate,
                          Aim::Goal::kMislabel, Aim::Goal::kEvade})
    for (const bool own : {false, true}) {
      INFO("goal " << static_cast<int>(goal) << (own ? ", own boxes" : ""));
      const Aim aim{.goal = goal, .own = own};
      const Victim faced = victim.facing(batch.images, aim);
      const auto whole = faced.loss(batch.images, aim);
      CHECK(whole.isfinite().all().template item<bool>());
      if (!faced.narrows()) continue;
      const auto second = at::ones({1}, at::kLong);
      CHECK(at::allclose(faced.only(second).loss(batch.images.slice(0, 1, 2), aim),
                         whole.slice(0, 1, 2), 1e-4, 1e-5));
    }
}

/// An output hook sees every convolution once, in order, wherever the network runs.
template <Detector D>
void detector_hooks_outputs(D& subject, const ImageBatch& batch) {
  using detail::close;
  const at::NoGradGuard no_grad;
  const auto convolutions = subject.graph().convolutions();
  const auto heads = subject.forward(batch.images);
  D copy = subject.clone();
  std::vector<int> seen;
  copy.set_output_hook([&](int index, const at::Tensor& y) {
    seen.push_back(index);
    return index == convolutions.front() ? y * 0 : y;
  });
  const auto hooked = copy.forward(batch.images);
  CHECK(seen == std::vector<int>(convolutions.begin(), convolutions.end()));
  CHECK_FALSE(close(hooked, heads));
  CHECK(close(copy.frozen().forward(batch.images), hooked));
  CHECK_FALSE(at::allclose(copy.victim(batch.truth).loss(batch.images, {}),
                           subject.victim(batch.truth).loss(batch.images, {})));
  D clone = copy.clone();
  CHECK(close(clone.forward(batch.images), heads));
  copy.set_output_hook({});
  CHECK(close(copy.forward(batch.images), heads));
}

/// What every Detector holds to. Run it on one of your own.
/// @param subject  in evaluation mode, float; some of its convolutions have batch norm.
/// @param batch    at least two images that fit it, with a box each.
/// @param folder   where it may write.
template <Detector D>
void detector(D subject, const ImageBatch& batch, const std::filesystem::path& folder) {
  detector_is_one_network(subject, batch, folder);
  detector_trains(subject, batch);
  detector_is_attacked(subject, batch);
  detector_hooks_outputs(subject, batch);

  const at::NoGradGuard no_grad;
  const auto heads = subject.forward(batch.images);
  const auto found = subject.detections(heads, batch, 0.01);
  REQUIRE(static_cast<std::int64_t>(found.size()) == batch.size());
  for (const auto& of_image : found)
    for (const auto& one : of_image) CHECK(one.score > 0.01);
  const auto targets = subject.targets(heads, batch.truth, Target::kDetection);
  REQUIRE(targets.size() == heads.size());
  double marked = 0;
  for (auto&& [target, head] : ranges::views::zip(targets, heads)) {
    CHECK(target.sizes() == head.sizes());
    CHECK((target.eq(0).logical_or(target.eq(1))).all().template item<bool>());
    marked += target.sum().template item<double>();
  }
  CHECK(marked > 0);
}

}  // namespace serpette::laws
