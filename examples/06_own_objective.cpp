// 06 Own objective: what training minimises, and a few steps of it.
//
// An objective says the loss of a training step; one loop serves robust training, fine-tuning and
// score training. The one in hardened.hpp shows the detector attacked images alone. Eight steps are
// no training, but the loss under attack begins to fall. As the fifth policy of a Scenario it does
// the same in every stage. tests/unit/method/own_policies.cpp runs the laws on it.
#include <fmt/core.h>

#include <serpette/attack/pgd.hpp>
#include <serpette/color/rgb.hpp>
#include <serpette/data/coco_folder.hpp>
#include <serpette/data/drawn_data.hpp>
#include <serpette/detector/yolov3.hpp>
#include <serpette/method/loader.hpp>
#include <serpette/method/train.hpp>

#include "hardened.hpp"

using namespace serpette;

/// An observer implements any of the hooks it wants.
struct Print {
  void on_step(std::int64_t step, double loss) { fmt::print("step {}: loss {:.2f}\n", step, loss); }
};

int main(int argc, char** argv) {
  const std::filesystem::path share = SERPETTE_SHARE "/demo";
  auto detector = Yolov3::load(share / "yolov3-slim.cfg", share / "yolov3-slim.weights");

  const std::filesystem::path scenes = argc > 1 ? argv[1] : "scenes";
  DrawnData{.train = 8, .test = 8}.write(scenes);
  const auto& in = detector.graph().input;
  const CocoFolder data(load_instances(scenes / "train/instances.json"), scenes / "train/images",
                        {.width = in.width, .height = in.height});

  const TrainSettings settings{.steps = 8, .batch_size = 4, .learning_rate = 1e-4};
  Loader<CocoFolder> loader(data, settings.batch_size, Seed(1), 1);
  Print print;
  train(
      detector, MovedWeights(detector), [&] { return loader.next(); },
      Defence{Hardened{}, Pgd{}, Rgb{}}, settings, Seed(2), at::kCPU, print);
  detector.save("hardened.cfg", "hardened.weights");
}
