// 04 Own attack: what a veil of grey does to a detector, beside what PGD does.
//
// An attack gets the detector as a Victim, which gives the loss of every image and its gradient,
// and returns other images. The one in veil.hpp looks at neither. Both may change a pixel by 0.05;
// the losses they reach say what a gradient is worth. To train against it, put it into a Scenario
// in Pgd's place. tests/unit/attack/own_policies.cpp runs the laws on it.
#include <fmt/core.h>

#include <numeric>
#include <serpette/attack/pgd.hpp>
#include <serpette/data/coco_folder.hpp>
#include <serpette/data/drawn_data.hpp>
#include <serpette/detector/yolov3.hpp>

#include "veil.hpp"

using namespace serpette;

int main(int argc, char** argv) {
  const std::filesystem::path share = SERPETTE_SHARE "/demo";
  auto detector = Yolov3::load(share / "yolov3-slim.cfg", share / "yolov3-slim.weights");

  // Eight drawn scenes; your own images are a CocoFolder as well.
  const std::filesystem::path scenes = argc > 1 ? argv[1] : "scenes";
  DrawnData{.train = 8, .test = 8}.write(scenes);
  const auto& in = detector.graph().input;
  const CocoFolder data(load_instances(scenes / "test/instances.json"), scenes / "test/images",
                        {.width = in.width, .height = in.height});
  std::vector<std::int64_t> all(8);
  std::iota(all.begin(), all.end(), 0);
  const auto batch = data.batch(all);

  const auto victim = detector.victim(batch.truth);
  Generator rng{Seed(1)};
  const auto loss_under = [&](const auto& attack) {
    const auto images = attack.perturb(victim, batch.images, rng);
    return victim.loss(images, Aim{}).mean().template item<double>();
  };
  fmt::print("loss {:.2f} on clean images, {:.2f} under the veil, {:.2f} under PGD\n",
             victim.loss(batch.images, Aim{}).mean().item<double>(), loss_under(Veil{}),
             loss_under(Pgd{}));
}
