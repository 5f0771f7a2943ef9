// Where a network's time goes, layer by layer, in the form it would be used in.
//
//   profile --cfg pruned.cfg --weights pruned.weights --out profile

#include <CLI/CLI.hpp>

#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/app/cli.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/ready_plan.hpp"
#include "serpette/app/say_notes.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/core/quantile.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette_report/bar_figure.hpp"
#include "serpette_report/text_table.hpp"
#include "support/plan_precision_option.hpp"

namespace serpette::profile_program {

namespace {

struct Options {
  std::filesystem::path cfg, weights, plan, out;
  std::int64_t rounds = 20;
  int threads = 0;
  cli::PlanPrecisionOption precision;
};

/// One layer of the plan, and what it takes.
struct LayerTime {
  std::string name, shape, form;
  double density = 1;     ///< Nonzero weights ÷ weights.
  double seconds = 0;     ///< Median over the rounds.
  double operations = 0;  ///< Two per nonzero weight and cell of the output.
  /// Input, output, what a shortcut adds in passing and nonzero weights, each once; 0: it has no
  /// work.
  double bytes = 0;
};

std::string shape_text(const Shape& s) {
  return fmt::format("{}×{}×{}", s.channels, s.height, s.width);
}

double cells(const Shape& s) { return double(s.channels) * s.height * s.width; }

/// Of a weight in a form.
double bytes_of_weight(std::string_view form) {
  return form.ends_with("_int8") ? 1 : form.ends_with("_bf16") ? 2 : 4;
}

/// The plan's layers but for heads, with their times.
std::vector<LayerTime> measure(const cli::ReadyPlan& plan, std::int64_t rounds) {
  const Graph& graph = plan.graph();
  const auto& in = graph.input;
  Generator random(Seed(1));
  const auto image = at::rand({1, in.channels, in.height, in.width}, random.torch());
  std::vector<std::vector<double>> seconds(graph.layers.size());
  (void)plan.layer_seconds(image);
  for (std::int64_t round = 0; round < rounds; ++round) {
    const auto of_layers = plan.layer_seconds(image);
    for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i].push_back(of_layers[i]);
  }
  std::vector<double> added(graph.layers.size(), 0);  // bytes that a convolution adds in passing
  for (const int i : graph.all<Shortcut>()) {
    if (plan.has_work(i)) continue;
    const auto [other, convolution] = std::ranges::minmax(graph[i].inputs);
    added[static_cast<std::size_t>(convolution)] = 4 * cells(graph.shape(other));
  }
  std::vector<LayerTime> layers;
  auto choice = plan.choices().begin();
  for (int i = 0; i < graph.size(); ++i) {
    const Layer& layer = graph[i];
    auto& times = seconds[static_cast<std::size_t>(i)];
    std::ranges::sort(times);
    LayerTime row{layer.name, shape_text(layer.output), ""};
    row.seconds = quantile(times, 0.5);
    if (plan.has_work(i)) {
      for (const int j : layer.inputs) row.bytes += 4 * cells(graph.shape(j));
      row.bytes += 4 * cells(layer.output) + added[static_cast<std::size_t>(i)];
    }
    if (layer.as<Convolutional>()) {
      row.form = choice->form;
      row.density = choice->density;
      row.operations = 2 * row.density * double(macs(graph, i));
      const auto w = weight_shape(graph, i);
      row.bytes += bytes_of_weight(row.form) * row.density * double(w[0] * w[1] * w[2] * w[3]);
      ++choice;
    }
    if (!layer.as<Yolo>()) layers.push_back(std::move(row));
  }
  return layers;
}

/// Operations a second of LibTorch's matrix product, and bytes a second of its copy: what a layer
/// can be compared with. The best of some rounds.
std::pair<double, double> machine() {
  const auto best = [](double work, const auto& f) {
    double least = 1e9;
    for (int i = 0; i < 5; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      f();
      least = std::min(
          least, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return work / least;
  };
  constexpr std::int64_t kSide = 1024, kNumbers = 16 << 20;
  const auto a = at::ones({kSide, kSide}), b = at::ones({kSide, kSide});
  auto c = at::empty({kSide, kSide});
  const auto from = at::ones({kNumbers});
  auto to = at::empty({kNumbers});
  return {best(2.0 * kSide * kSide * kSide, [&] { at::mm_out(c, a, b); }),
          best(8.0 * kNumbers, [&] { to.copy_(from); })};
}

cli::ReadyPlan ready_plan(const Options& o) {
  if (!o.plan.empty()) return cli::ReadyPlan::load(o.plan);
  const auto detector = Yolov3::load(o.cfg, o.weights);
  cli::say_notes(detector, o.cfg, o.weights);
  return cli::ReadyPlan::make(detector, {}, o.precision.chosen(),
                              o.precision.ranges(detector, false));
}

void run(const Options& o) {
  if (o.threads > 0) at::set_num_threads(o.threads);
  for (const char* output : {"profile.csv", "profile.svg", "times.txt"})
    require_no_input(o.out / output, {o.cfg, o.weights, o.plan});
  require_writable(o.out / "profile.csv");
  const auto plan = ready_plan(o);
  const auto layers = measure(plan, o.rounds);
  const auto [peak, bandwidth] = machine();
  const double all = std::accumulate(layers.begin(), layers.end(), 0.0,
                                     [](double sum, const auto& l) { return sum + l.seconds; });
  TextTable table{.name = "profile",
                  .title = "",
                  .header = {"layer", "output", "form", "zeros %", "ms", "time %", "GFLOP/s",
                             "product %", "GB/s", "bandwidth %"},
                  .rows = {}};
  std::map<std::string, double> by_form;
  BarFigure figure{.title = o.plan.empty() ? o.cfg.filename().string() : o.plan.filename().string(),
                   .unit = "ms",
                   .bars = {}};
  for (const auto& l : layers) {
    const double rate = l.seconds > 0 ? l.operations / l.seconds : 0,
                 flow = l.seconds > 0 ? l.bytes / l.seconds : 0;
    const bool is_convolution = !l.form.empty();
    const auto unless_none = [&](const std::string& text) { return is_convolution ? text : ""; };
    const auto if_moved = [&](const std::string& text) { return l.bytes > 0 ? text : ""; };
    table.rows.push_back(
        {l.name, l.shape, l.form, unless_none(fmt::format("{:.1f}", 100 * (1 - l.density))),
         fmt::format("{:.3f}", 1e3 * l.seconds), fmt::format("{:.1f}", 100 * l.seconds / all),
         unless_none(fmt::format("{:.1f}", rate / 1e9)),
         unless_none(fmt::format("{:.0f}", 100 * rate / peak)),
         if_moved(fmt::format("{:.1f}", flow / 1e9)),
         if_moved(fmt::format("{:.0f}", 100 * flow / bandwidth))});
    const auto group = is_convolution ? l.form : "no weights";
    by_form[group] += l.seconds;
    figure.bars.push_back({l.name, 1e3 * l.seconds, group});
  }
  std::vector<std::string> times;  // as prune/layer_times.hpp reads them
  for (const auto& l : layers)
    if (!l.form.empty()) times.push_back(fmt::format("{}:{:.4g}", l.name, 1e3 * l.seconds));
  write_file(o.out / "times.txt", fmt::format("{}\n", fmt::join(times, ",")));
  write_file(o.out / "profile.csv", to_csv(table));
  write_file(o.out / "profile.svg", bar_svg(figure));
  fmt::print("{}", to_text(table));
  fmt::print("\n{:.2f} ms an image on {} of {}\n", 1e3 * all,
             counted(at::get_num_threads(), "thread"), cli::ReadyPlan::cpu());
  for (const auto& [form, seconds] : by_form)
    fmt::print("  {:<16}{:>8.2f} ms{:>6.0f} %\n", form, 1e3 * seconds, 100 * seconds / all);
  for (const auto& chain : plan.chains())
    fmt::print("{} to {}: {} convolutions, slice by slice\n", chain.front(), chain.back(),
               chain.size());
  fmt::print(
      "product: {:.0f} GFLOP/s, LibTorch's product of 1024×1024 matrices; bandwidth: {:.1f} GB/s, "
      "its copy of 64 MiB\nprofile.csv, profile.svg and times.txt in {}\n",
      peak / 1e9, bandwidth / 1e9, o.out.string());
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Where a network's time goes on this CPU: a table and a figure of its layers, with form, "
        "zeros, time,\n"
        "operations (two per nonzero weight and cell) and bytes (input, output, what a shortcut "
        "adds in "
        "passing\nand nonzero weights, each once) a second.");
    app.add_option("--cfg", o.cfg, "Network in darknet's format");
    app.add_option("--weights", o.weights, "Its weights in darknet's format");
    app.add_option("--plan", o.plan,
                   "Instead of these two: a plan that export_network or prune wrote");
    app.add_option("--out", o.out, "Folder for profile.csv, profile.svg and times.txt")->required();
    app.add_option("--rounds", o.rounds, "Times that the image is computed; medians count")
        ->check(cli::kSome)
        ->capture_default_str();
    app.add_option("--threads", o.threads, "Of LibTorch; 0: as many as it takes by itself")
        ->check(cli::whole_number(0, 1024))
        ->capture_default_str();
    cli::under(app, "How a plan that is made here computes", [&] { o.precision.add_to(app); });
    cli::parse(app, argc, argv);
    o.precision.check();
    require(o.plan.empty() || !o.precision.is_given(), "--precision",
            "should come with --cfg and --weights: a plan has the precision that it was made in");
    require(o.plan.empty() == !o.cfg.empty() && o.plan.empty() == !o.weights.empty(), "network",
            "should be given by --cfg and --weights, or by --plan; --help lists the options");
    run(o);
  });
}

}  // namespace serpette::profile_program
