// Trains a detector, robustly if asked, and writes darknet weights.
//   train --cfg F --images DIR --annotations F --out weights [--weights F] [--attack pgd]
//   [--test-images DIR …]
// Started by torchrun, mpirun or srun, all processes train one network, each on its share of every
// batch.
#include <CLI/CLI.hpp>
#include <csignal>

#include "serpette/app/cli.hpp"
#include "serpette/app/device.hpp"
#include "serpette/app/load_data.hpp"
#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/core/reused_memory.hpp"
#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/distributed/process_group.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/train.hpp"
#include "serpette/study/progress.hpp"

namespace {

using namespace serpette;

struct Options {
  std::filesystem::path cfg, weights, images, annotations, test_images, test_annotations, out;
  std::string device = "auto", optimizer = "sgd";
  cli::PolicyNames policies;
  std::uint64_t seed = 1;
  bool plain = false;
  PgdAdversarial objective;
  TrainSettings settings{.steps = 1000, .batch_size = 16, .learning_rate = 1e-3, .warmup = 100};
};

CocoFolder folder(const Yolov3& detector, const std::filesystem::path& annotations,
                  const std::filesystem::path& images, bool plain) {
  auto instances =
      cli::load_matched(annotations, images, detector.graph().classes(), {}, "the network");
  CocoFolder::Options options{.width = detector.graph().input.width,
                              .height = detector.graph().input.height};
  if (plain) options.augment = Augment::none();
  return {std::move(instances), images, options};
}

template <Attack A, ColorMode Color>
void run(const Options& o, const A& attack, const Color& color) {
  const ReusedMemory memory;  // before any thread starts
  const auto launch = launch_from_environment();
  require(o.settings.batch_size % launch.size == 0, "--batch-size",
          "should be a multiple of the {} processes, got {}", launch.size, o.settings.batch_size);
  auto device = cli::parse_device(o.device);
  if (device.is_cuda() && launch.size > 1 && o.device.find(':') == std::string::npos)
    device = cli::parse_device(fmt::format("cuda:{}", launch.local_rank));
  auto detector = o.weights.empty() ? Yolov3(load_cfg(o.cfg), Seed(o.seed))
                                    : Yolov3::load(o.cfg, o.weights, Seed(o.seed));
  detector.to(device);
  const auto data = folder(detector, o.annotations, o.images, o.plain);
  std::optional<CocoFolder> test;
  if (!o.test_annotations.empty())
    test.emplace(folder(detector, o.test_annotations, o.test_images, true));

  require_no_input(o.out, {o.cfg, o.weights, o.annotations, o.test_annotations});
  if (launch.rank == 0) require_writable(o.out);
  detector.set_peers(join(launch, device));
  Loader<CocoFolder> loader(data, o.settings.batch_size, Seed(o.seed).derive("batches"), 1,
                            detector.peers().share);
  std::int64_t steps = 0;
  const auto learn = [&](auto& observer) {
    const auto next = [&] {
      ++steps;
      return loader.next();
    };
    train(detector, MovedWeights(detector), next, Defence{o.objective, attack, color}, o.settings,
          Seed(o.seed), device, observer);
  };
  if (launch.rank > 0) {  // Ctrl-C is for the first process, which keeps the weights
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGTERM, SIG_IGN);
    Silent silent;
    return learn(silent);
  }
  Progress progress;
  progress.on_stage("training", o.settings.steps);
  const auto save = [&] {
    auto header = detector.header();
    header.seen += static_cast<std::uint64_t>(steps * o.settings.batch_size);
    detector.set_header(header);
    save_weights(detector, o.out, header);
    progress.clear();
  };
  try {
    learn(progress);
  } catch (const Interrupted&) {
    save();
    fmt::print(stderr,
               "stopped after {} of {} steps; the weights so far are in {}, and --weights goes on "
               "from them\n",
               steps, o.settings.steps, o.out.string());
    throw cli::Exit{130};
  }
  save();
  fmt::print("{} steps in {}; weights in {}\n", o.settings.steps, clock_text(progress.seconds()),
             o.out.string());
  if (!test) return;
  const auto network = detector.frozen();
  notify::stage(progress, "test", test->size());
  const auto clean =
      evaluate(detector, network, *test, Unattacked{}, color, {}, Seed(o.seed), device, progress);
  progress.clear();
  fmt::print("test: AP {:.3f} AP50 {:.3f} (confidence 0.001), AP50 {:.3f} (0.5)\n",
             clean.standard.AP, clean.standard.AP50, clean.paper.AP50);
  if constexpr (!is_identity<A>) {
    notify::stage(progress, "test under attack", test->size());
    const auto hit =
        evaluate(detector, network, *test, attack, color, {}, Seed(o.seed), device, progress);
    progress.clear();
    fmt::print("under {}: AP {:.3f} AP50 {:.3f}\n", A::name, hit.standard.AP, hit.standard.AP50);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app("Trains a detector, robustly if asked, and writes darknet weights.");
    app.add_option("--cfg", o.cfg, "Network in darknet's format")->required();
    app.add_option("--weights", o.weights,
                   "Weights to start from; a name ending in .conv.N is read up to layer N");
    app.add_option("--images", o.images, "Folder of the training images")->required();
    app.add_option("--annotations", o.annotations,
                   fmt::format("Their boxes: {}", cli::kAnnotationsHelp))
        ->required();
    app.add_option("--test-images", o.test_images, "Folder of test images, evaluated at the end");
    app.add_option("--test-annotations", o.test_annotations, "Their boxes");
    app.add_option("--out", o.out, "Weights to write")->required();
    app.add_option("--steps", o.settings.steps, "Optimizer steps")
        ->check(cli::kCount)
        ->capture_default_str();
    app.add_option("--batch-size", o.settings.batch_size,
                   "Images per step, of all processes together")
        ->check(cli::whole_number(std::int64_t{1}, std::int64_t{1} << 20))
        ->capture_default_str();
    app.add_option("--learning-rate", o.settings.learning_rate, "Its peak")
        ->check(cli::kNonNegative)
        ->capture_default_str();
    app.add_option("--warmup", o.settings.warmup, "Steps of the linear rise")
        ->check(cli::kCount)
        ->capture_default_str();
    app.add_option("--weight-decay", o.settings.weight_decay, "On convolution weights")
        ->check(cli::kNonNegative)
        ->capture_default_str();
    app.add_option("--clip", o.settings.clip, "Largest gradient norm; 0: no limit")
        ->check(cli::kNonNegative)
        ->capture_default_str();
    app.add_option("--optimizer", o.optimizer, "sgd or adam")
        ->check(cli::one_of({"sgd", "adam"}))
        ->capture_default_str();
    o.policies.add_to(app, "What attacks the training images: none, fgsm or pgd");
    app.add_option("--attacked", o.objective.attacked, "Part of every batch that is attacked")
        ->check(cli::kFraction)
        ->capture_default_str();
    app.add_flag("--no-augmentation", o.plain, "Train on the images as they are");
    app.add_option("--seed", o.seed, "Root of all randomness")
        ->check(cli::kSeed)
        ->capture_default_str();
    app.add_option("--device", o.device, std::string(cli::kDeviceHelp))->capture_default_str();
    cli::parse(app, argc, argv);
    require(o.test_images.empty() == o.test_annotations.empty(), "test data",
            "should be given by both --test-images and --test-annotations, or by neither");
    o.settings.optimizer =
        o.optimizer == "sgd" ? TrainSettings::Optimizer::kSgd : TrainSettings::Optimizer::kAdam;
    o.policies.visit([&](const auto& attack, const auto& color) { run(o, attack, color); });
  });
}
