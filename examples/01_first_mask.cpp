// 01 First mask: which filters of a detector go when half of its parameters shall.
//
// A network is a graph (what darknet's cfg says) and tensors. A score says how important every
// weight is; a granularity says what goes as one piece; make_mask turns scores and a ratio into a
// mask. Nothing is trained here: that is what a scenario does (03).
#include <fmt/core.h>

#include <range/v3/view/zip.hpp>
#include <serpette/detector/yolov3.hpp>
#include <serpette/prune/filter.hpp>
#include <serpette/prune/mask.hpp>
#include <serpette/score/magnitude.hpp>

using namespace serpette;

int main() {
  const std::filesystem::path network = SERPETTE_SHARE "/demo";
  const auto detector = Yolov3::load(network / "yolov3-slim.cfg", network / "yolov3-slim.weights");
  const Graph& graph = detector.graph();

  // A score per weight, layer by layer in the order of the graph's convolutions.
  Generator rng{Seed(1)};
  ScoreMap scores;
  for (const int i : graph.convolutions()) {
    const LayerView layer{.name = graph[i].name, .weight = detector.layer(i).weight.detach()};
    scores.push_back(Magnitude{}.score(layer, rng));
  }

  // Whole filters go, with all that shortcuts couple them to.
  const Mask mask = make_mask(graph, scores, Ratio::percent(50), Filter{});

  const auto layers = graph.convolutions();
  for (const auto& [layer, of] : ranges::views::zip(layers, mask))
    fmt::print("{:<8} keeps {:3} of {:3} filters\n", graph[layer].name,
               of.filter.count_nonzero().item<std::int64_t>(), of.filter.size(0));
  const Kept kept = count_kept(graph, mask, Filter{});
  fmt::print("in all {} filters with {} weights\n", kept.filters, kept.weights);
}
