#pragma once

#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/concepts/objective.hpp"
#include "serpette/laws/catch.hpp"

namespace serpette::laws {

/// What every Objective holds to, on a detector and a batch with truth of yours: a finite scalar
/// that moves the detector's parameters, the batch left alone, and equal seeds, equal losses. Run
/// it on an objective of your own: `laws::objective(Mine{}, detector, batch);`
template <Objective P, Detector D>
void objective(const P& policy, D& detector, const ImageBatch& batch) {
  INFO("objective: " << P::name);
  const auto before = batch.images.clone();
  const auto teacher = [network = detector.clone()](const at::Tensor& images) mutable {
    return network.frozen().forward(images);
  };
  const auto run = [&](D& network, bool attacked) {
    Generator rng{Seed(5)};
    Adversary::Perturb perturb;
    if (attacked)
      perturb = [](const Victim& victim, const at::Tensor& encoded, Generator&) {
        return encoded.add(victim(encoded, Aim{}).gradient.sign(), 0.05).clamp(0, 1);
      };
    const auto same = [](const at::Tensor& images) { return images; };
    const Adversary adversary(
        {.encode = same,
         .expand = same,
         .victim = [&](const at::Tensor& truth) { return network.victim(truth); },
         .perturb = perturb},
        rng);
    auto state = policy.start(TrainingContext{.teacher = teacher});
    network.train(true);
    return state.loss(network, batch, adversary);
  };
  for (const bool attacked : {false, true}) {  // a scenario may have no attack
    INFO("under attack: " << attacked);
    D one = detector.clone(), two = detector.clone();
    const auto loss = run(one, attacked);
    CHECK(loss.dim() == 0);
    CHECK(loss.isfinite().template item<bool>());
    CHECK(loss.requires_grad());
    CHECK(run(two, attacked).equal(loss));
    loss.backward();
    bool moves = false;
    for (const auto& parameter : one.parameters())
      moves = moves || (parameter.grad().defined() && parameter.grad().any().template item<bool>());
    CHECK(moves);
  }
  CHECK(batch.images.equal(before));
}

}  // namespace serpette::laws
