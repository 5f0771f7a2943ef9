// Our plan as one of the peers that compare.py asks in turn.
//
//   plan_peer --kind none|unstructured|kernel|filter|block --sparsity R [--threads T] [--cfg F]
//             [--precision f32|bf16|int8] [--choices F] [--by-model] (--serve | --save FOLDER |
//             --profile)
//
// A network of the cfg with random weights (batch norm calibrated), uniform random scores, so every
// layer is pruned alike; of `filter`, R is the share of each layer's filters. --serve prints READY,
// then one time [ms] for every line read, and ends on `quit` or the end of input. --save writes
// network.cfg, network.weights (as it is timed: pruned, filters cut out), heads.f32 (what our plan
// makes of the image of `test_image`) and choices.txt, which the other peers are checked against
// and --choices reads. --profile prints the layers with their forms and least times.

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "serpette/core/settings.hpp"
#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/apply_mask.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/prune/block.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/weight.hpp"
#include "support/rounds.hpp"

namespace {

using namespace serpette;

struct Options {
  std::string kind = "none", cfg = "share/cfg/yolov3.cfg", choices, save;
  deploy::PlanPrecision precision = deploy::PlanPrecision::kFloat32;
  double sparsity = 0;
  int threads = 1;
  bool serve = false, profile = false, by_model = false;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&]() -> std::string {
      require(i + 1 < argc, name, "should have a value");
      return argv[++i];
    };
    if (name == "--kind") {
      o.kind = value();
    } else if (name == "--sparsity") {
      o.sparsity = std::stod(value());
    } else if (name == "--threads") {
      o.threads = std::stoi(value());
    } else if (name == "--cfg") {
      o.cfg = value();
    } else if (name == "--precision") {
      read_setting(value(), o.precision, {}, name);
    } else if (name == "--choices") {
      o.choices = value();
    } else if (name == "--save") {
      o.save = value();
    } else if (name == "--serve") {
      o.serve = true;
    } else if (name == "--profile") {
      o.profile = true;
    } else if (name == "--by-model") {
      o.by_model = true;
    } else {
      throw Error(fmt::format("plan_peer: no option {}", name));
    }
  }
  require(o.sparsity >= 0 && o.sparsity < 1, "--sparsity", "should be in [0, 1), got {}",
          o.sparsity);
  require(o.threads > 0, "--threads", "should be at least 1, got {}", o.threads);
  return o;
}

Yolov3 network(const Options& o) {
  Yolov3 net(load_cfg(o.cfg), Seed(1));
  const auto& in = net.graph().input;
  Generator images{Seed(3)};
  bench::calibrate(net, at::rand({1, in.channels, in.height, in.width}, images.torch()));
  if (o.kind == "none") return net;
  const auto& graph = net.graph();
  Generator rng{Seed(2)};
  ScoreMap scores;
  for (const int i : graph.convolutions())
    scores.push_back(at::randn(weight_shape(graph, i), rng.torch()));
  const auto ratio = Ratio::parse(std::to_string(o.sparsity * 100), "--sparsity");
  Mask mask;
  if (o.kind == "unstructured") {
    mask = make_mask(graph, scores, ratio, Weight{});
  } else if (o.kind == "kernel") {
    mask = make_mask(graph, scores, ratio, Kernel{});
  } else if (o.kind == "block") {  // what AMX multiplies at a time, in bf16 and int8
    mask = make_mask(graph, scores, ratio, Block<32, 64>{});
  } else if (o.kind == "filter") {
    mask = make_mask(graph, scores, ratio, Filter{.ratio_of = RatioOf::kFilters});
  } else {
    throw Error(fmt::format("--kind: should be none, unstructured, kernel, filter or block, got {}",
                            o.kind));
  }
  const auto convolutions = graph.convolutions();
  for (std::size_t i = 0; i < mask.size(); ++i) apply_mask(mask[i], net.layer(convolutions[i]));
  if (o.kind == "filter") return net.compact(mask);
  return net;
}

/// x_i = the fraction of i · 0.6180339887498949, in the order [C, H, W]: easily made elsewhere.
at::Tensor test_image(const Shape& in) {
  auto image = at::empty({1, in.channels, in.height, in.width});
  auto* to = image.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < image.numel(); ++i) {
    double whole = 0;
    to[i] = static_cast<float>(std::modf(static_cast<double>(i) * 0.6180339887498949, &whole));
  }
  return image;
}

int run(const Options& o) {
  at::set_num_threads(o.threads);
  const at::NoGradGuard no_grad;
  const auto net = network(o);
  deploy::PlanOptions options{.measure = !o.by_model, .precision = o.precision};
  const auto image = test_image(net.graph().input);
  if (o.precision == deploy::PlanPrecision::kInt8) {
    deploy::Calibration calibration(net);
    calibration.observe(image);
    options.ranges = calibration.ranges();
  }
  if (!o.choices.empty()) options.choices = deploy::parse_choices(read_file(o.choices), o.choices);
  const auto begin = std::chrono::steady_clock::now();
  auto plan = deploy::make_plan(net, options);
  const auto milliseconds = [](auto since) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since)
        .count();
  };
  const double built = milliseconds(begin);

  if (!o.save.empty()) {
    const std::filesystem::path folder = o.save;
    std::filesystem::create_directories(folder);
    net.save(folder / "network.cfg", folder / "network.weights");
    std::ofstream heads(folder / "heads.f32", std::ios::binary);
    for (const auto& head : plan.forward(image)) {
      const auto h = head.contiguous();
      heads.write(static_cast<const char*>(h.const_data_ptr()),
                  static_cast<std::streamsize>(h.numel() * sizeof(float)));
    }
    std::ofstream(folder / "choices.txt") << deploy::write_choices(plan.choices());
    return heads.flush() ? 0 : 1;
  }
  if (o.profile) {
    const auto& graph = plan.graph();
    const auto convolutions = graph.convolutions();
    auto best = plan.layer_seconds(image);
    for (int round = 0; round < 20; ++round) {
      const auto seconds = plan.layer_seconds(image);
      for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::min(best[i], seconds[i]);
    }
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
      const auto [out, in, k, k_w] = weight_shape(graph, convolutions[i]);
      const auto& choice = plan.choices()[i];
      const auto& shape = graph.shape(convolutions[i]);
      const double ms = 1e3 * best[static_cast<std::size_t>(convolutions[i])],
                   macs = 1.0 * out * in * k * k_w * shape.height * shape.width;
      fmt::print(
          "{:10} {:9} {:5} -> {:5} {}x{} at {:4} x {:4}, density {:.3f}: {:7.3f} ms, {:6.1f} "
          "GMAC/s\n",
          choice.layer, choice.form, in, out, k, k_w, shape.height, shape.width, choice.density, ms,
          macs / ms / 1e6);
    }
    double rest = 0;
    for (int i = 0; i < graph.size(); ++i)
      if (!graph[i].as<Convolutional>()) rest += 1e3 * best[static_cast<std::size_t>(i)];
    fmt::print("layers without weights: {:.3f} ms\n", rest);
  }
  const auto once = [&] {
    const auto start = std::chrono::steady_clock::now();
    (void)plan.forward(image);
    return milliseconds(start);
  };
  for (int i = 0; i < 3; ++i) once();
  if (o.serve) {
    std::cout << "READY" << std::endl;
    for (std::string line; std::getline(std::cin, line) && line != "quit";)
      std::cout << once() << std::endl;
    return 0;
  }
  std::vector<double> times;
  for (int i = 0; i < 11; ++i) times.push_back(once());
  std::sort(times.begin(), times.end());
  fmt::print("{} parameters, {} multiply-adds, plan built in {:.0f} ms\n", parameters(net.graph()),
             macs(net.graph()), built);
  fmt::print("{} threads: best {:.3f} ms, median {:.3f} ms\n", o.threads, times.front(), times[5]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 2;
  }
}
