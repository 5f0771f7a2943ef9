// What the weights of a network are worth by some score, for other tools and for people to see.
//
//   scores --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images photos --annotations
//   instances.json --score deeplift --reference grey --out scores
//
// Writes scores.bin (float32, little-endian, layers in the cfg's order), index.json (where each
// layer lies in it), importance.csv (a line per filter) and importance.svg.

#include <CLI/CLI.hpp>
#include <boost/hana/for_each.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "serpette/app/policies.hpp"
#include "serpette/app/program.hpp"
#include "serpette/app/setting_options.hpp"
#include "serpette/app/used_folder.hpp"
#include "serpette/core/batch_stream.hpp"
#include "serpette/core/counted.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/csv.hpp"
#include "serpette/method/scores.hpp"
#include "serpette/method/view.hpp"
#include "serpette/score/registry.hpp"
#include "serpette/study/store.hpp"
#include "serpette_report/importance_picture.hpp"
#include "support/test_data.hpp"

namespace serpette::scores_program {

namespace {

struct Options {
  Options() { data.limit = 64; }

  cli::TestData data;
  std::string score;
  cli::SettingOptions settings;
  cli::AttackOptions attack;
  cli::ColorOption color;
};

/// The pictures as the network reads them; their attacked twins behind them where the score
/// compares.
BatchStream batches_of(const Options& o, const CocoFolder& data, Yolov3& detector,
                       const ErasedColorMode& color, const ChosenAttack* twins, at::Device device) {
  const auto size = o.data.batch_size;
  const Seed seed = Seed(o.data.seed).derive("twins");
  return {(data.size() + size - 1) / size, [=, &data, &detector](std::int64_t number) {
            std::vector<std::int64_t> indices(
                static_cast<std::size_t>(std::min(size, data.size() - number * size)));
            std::iota(indices.begin(), indices.end(), number * size);
            auto batch = data.batch(indices).to(device);
            auto images = network_images(color, batch.images);
            if (twins) {
              Generator rng(seed.derive(static_cast<std::uint64_t>(number)));
              images =
                  at::cat({images, attacked_images(detector, batch, twins->attack, color, rng)});
            }
            batch.images = std::move(images);
            return batch;
          }};
}

/// Files for other tools: all scores behind each other, and where each layer's lie.
void write_scores(const std::filesystem::path& out, const Graph& graph, const ScoreMap& scores,
                  const std::string& settings) {
  static_assert(std::endian::native == std::endian::little, "scores.bin is little-endian");
  std::string bytes;
  auto layers = nlohmann::ordered_json::array();
  const auto convolutions = graph.convolutions();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto values = scores[i].detach().to(at::kCPU, at::kFloat).contiguous();
    layers.push_back({{"name", graph[convolutions[i]].name},
                      {"kind", "convolutional"},
                      {"shape", values.sizes().vec()},
                      {"offset", bytes.size()}});
    bytes.append(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
  }
  const nlohmann::ordered_json index{{"score", settings},
                                     {"file", "scores.bin"},
                                     {"type", "float32, little-endian"},
                                     {"offsets", "bytes from the start of the file"},
                                     {"layers", layers}};
  write_file(out / "scores.bin", bytes);
  write_file(out / "index.json", index.dump(2) + "\n");
}

/// The same for people: a line per filter, and a picture.
void write_importance(const std::filesystem::path& out, const Graph& graph, const ScoreMap& scores,
                      std::string_view score) {
  CsvWriter csv;
  csv.row("layer", "filter", "mean");
  std::vector<LayerImportance> layers;
  const auto convolutions = graph.convolutions();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto s = scores[i].detach().to(at::kCPU, at::kDouble).abs();
    const auto filters = s.mean({1, 2, 3}).contiguous();
    LayerImportance layer{
        graph[convolutions[i]].name,
        fmt::format("{}", fmt::join(s.sizes(), " x ")),
        s.sum().item<double>(),
        {filters.const_data_ptr<double>(), filters.const_data_ptr<double>() + filters.numel()}};
    for (std::size_t f = 0; f < layer.filters.size(); ++f)
      csv.row(layer.name, static_cast<std::int64_t>(f), layer.filters[f]);
    layers.push_back(std::move(layer));
  }
  write_file(out / "importance.csv", csv.text());
  write_file(out / "importance.svg",
             importance_svg(fmt::format("Where importance sits: {}", score), layers));
  const auto top = std::ranges::max_element(layers, {}, &LayerImportance::total);
  fmt::print("{}; most importance in {}; files in {}\n", counted(layers.size(), "layer"), top->name,
             out.string());
}

/// Refuses what the score has no use for.
/// @throws Error  naming the option.
template <ScoreInit Score>
void require_effect(const Options& o, const Score& score) {
  o.settings.require_used(fmt::format("{} ({})", o.score, cli::options_of(score)), {o.score});
  if constexpr (req::TrainsScores<Score>)
    each_setting(score.optimizer, [&](const std::string& option, const auto&, const auto&) {
      require(!o.settings.given()(option), "--" + option,
              "should come with a study, where {} trains its scores; here are those that the "
              "training starts from",
              o.score);
    });
  const ErasedScore asked(score);
  require(asked.score_all || asked.needs_input || asked.needs_gradient || o.color.name == "rgb",
          "--color", "should come with a score that looks at pictures, got {} for {}", o.color.name,
          o.score);
}

template <ScoreInit Score>
void run(const Options& o, const Score& score) {
  require_effect(o, score);
  std::optional<ChosenAttack> attack;
  if (wants_twins(score)) {
    attack = o.attack.chosen();
    require(!attack->attack.is_identity, "--attack",
            "should be one, since {} compares pictures with their attacked twins; got none",
            o.score);
  } else {
    require(o.attack.name == "none", "--attack",
            "should come with --reference clean-twin, the only score that looks at attacked "
            "pictures; got {} for {}",
            o.attack.name, o.score);
    (void)o.attack.chosen();  // refuses settings of an attack
  }
  const auto device = cli::parse_device(o.data.device);
  auto detector = o.data.load_network(device, {"scores.bin", "index.json", "importance.csv",
                                               "importance.svg", "configuration.txt"});
  const auto data = o.data.load_pictures(detector.graph());
  auto lines = o.data.lines();
  lines.push_back({"color", o.color.name});
  lines.push_back({"score", settings_text(score)});
  lines.push_back({"attack", attack ? attack->settings : "none"});
  lines.push_back({"batch-size", fmt::to_string(o.data.batch_size)});  // what some compare within
  const Store store = cli::open_results(o.data.out, o.data.force, "scores", std::move(lines));
  require_writable(o.data.out / "scores.bin");
  if constexpr (req::TrainsScores<Score>)
    fmt::print(stderr,
               "note: {} trains its scores anew for every ratio; these are those it starts from\n",
               o.score);
  const auto scores = importance_scores(
      score, detector,
      batches_of(o, data, detector, o.color.chosen(), attack ? &*attack : nullptr, device),
      Seed(o.data.seed).derive("scores"));
  store.begin();
  write_scores(o.data.out, detector.graph(), scores, settings_text(score));
  write_importance(o.data.out, detector.graph(), scores, Score::name);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_main([&] {
    Options o;
    CLI::App app(
        "Writes what every weight of a network is worth by a score: scores.bin (float32,\n"
        "little-endian, layers in the cfg's order) with index.json, and for people importance.csv\n"
        "and importance.svg.");
    o.data.add_to(app, "Pictures to look at, the first N; 0: all");
    cli::add_force(app, o.data.force);
    app.add_option("--score", o.score, "Which score")
        ->required()
        ->check(cli::one_of(ids_of(kScores)));
    boost::hana::for_each(
        kScores, [&](const auto& entry) { o.settings.offer(entry.policy, {}, false, entry.id); });
    cli::under(app, "Settings of the score (each has some of them)",
               [&] { o.settings.add_to(app); });
    o.attack.add_to(app, "What makes the twins that --reference clean-twin compares with");
    o.color.add_to(app);
    app.footer(
        "Example:\n  scores --cfg yolov3-tiny.cfg --weights yolov3-tiny.weights --images photos "
        "--annotations instances.json --score deeplift --reference grey --out scores");
    cli::parse(app, argc, argv);
    with_entry(kScores, "--score", o.score,
               [&](const auto& entry) { run(o, o.settings.apply_to(entry.policy)); });
  });
}

}  // namespace serpette::scores_program
