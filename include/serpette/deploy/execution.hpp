#pragma once

/// @file
/// How a plan runs: every layer in its form, into memory that is laid out once. No LibTorch.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/in_parallel.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/deploy/change_layout.hpp"
#include "serpette/deploy/choices.hpp"
#include "serpette/deploy/choose.hpp"
#include "serpette/deploy/finished_shortcuts.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/form_list.hpp"
#include "serpette/deploy/kept_maps.hpp"
#include "serpette/deploy/layer_chains.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/map_layers.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/plan_labels.hpp"
#include "serpette/deploy/plan_memory.hpp"
#include "serpette/deploy/plan_options.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/slice_chain.hpp"
#include "serpette/deploy/workers.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// A network whose convolutions each have a form, ready to compute one image at a time.
/// @tparam Forms  that the convolutions may have; each layer needs one that fits.
template <Form... Forms>
class Execution {
 public:
  using List = FormList<Forms...>;

  /// Chooses a form for every convolution, and prepares its weights.
  /// @param graph   without batch norm.
  /// @param layers  in the order of `graph.convolutions()`: weights and biases, which are copied.
  /// @throws Error  for a precision that this machine has not, int8 without ranges or ranges
  ///                without int8, a layer with a range whose weights are not all finite, or choices
  ///                that are none.
  Execution(Graph graph, std::vector<FoldedLayer> layers, const PlanOptions& options)
      : graph_(std::move(graph)), precision_(options.precision) {
    require_precision(precision_, "precision");
    require((precision_ == PlanPrecision::kInt8) == options.ranges.has_value(), "ranges",
            "should be those that calibration finds on images if and only if the precision is "
            "int8, got {} for {}",
            options.ranges ? fmt::format("{} ranges", options.ranges->size()) : "none",
            settings_text(precision_));
    const Ranges ranges = options.ranges.value_or(Ranges{});
    std::size_t named = 0;
    for (std::size_t c = 0; c < layers.size(); ++c) {
      layers[c].precision = precision_;
      const auto& name = graph_[graph_.convolutions()[c]].name;
      const auto range = ranges.find(name);
      if (range == ranges.end()) continue;
      // Here it has a name, which the forms do not hear of.
      for (const float w : layers[c].weight)
        require(std::isfinite(w), "int8", "{} should have finite weights, got {}", name, w);
      layers[c].range = range->second;
      ++named;
    }
    require(named == ranges.size(), "ranges",
            "should name this network's convolutions, got {} names of others",
            ranges.size() - named);
    const auto forms =
        options.choices.empty()
            ? assignment(List::costs(layers, options.measure, options.repeats)).best()
            : given(layers, options.choices);
    for (std::size_t c = 0; c < forms.size(); ++c)
      choices_.push_back({graph_[graph_.convolutions()[c]].name,
                          std::string(List::kNames[forms[c]]), layers[c].density()});
    std::vector<std::optional<typename List::Prepared>> prepared(forms.size());
    in_parallel(static_cast<std::size_t>(available_threads()), forms.size(),
                [&](std::size_t c) { prepared[c].emplace(List::prepare(forms[c], layers[c])); });
    prepare(forms, [&](std::size_t c) { return std::move(prepared[c]).value(); });
  }
  Execution(Execution&&) = default;
  Execution& operator=(Execution&&) = default;

  /// Writes what `read` makes the same of, but for its graph: precision, form, density and prepared
  /// weights of every convolution (plan_file.hpp has the file around it).
  void write(PlanWriter& to) const
    requires(KeptForm<Forms> && ...)
  {
    to.text(settings_text(precision_));
    for (const auto& choice : choices_) {
      to.text(choice.form);
      to.value(choice.density);
    }
    for (const int i : graph_.convolutions()) List::write(step(i).prepared, to);
  }
  /// @throws Error  if a layer has a form that is none of these or does not fit it, or this machine
  ///                lacks the precision; before anything is prepared.
  Execution(Graph graph, PlanReader& from)
    requires(KeptForm<Forms> && ...)
      : graph_(std::move(graph)) {
    read_setting(from.text(), precision_, {}, from.place());
    require_precision(precision_, from.place());
    const auto convolutions = graph_.convolutions();
    std::vector<std::size_t> forms;
    for (const int i : convolutions) {
      const auto name = from.text();
      forms.push_back(List::named(name));
      require(forms.back() < List::kNames.size(), from.place(),
              "{} should have one of the forms {}, got '{}'", graph_[i].name,
              fmt::join(List::kNames, ", "), name);
      const auto layer = kept_layer(i);
      const auto& c = layer.settings;
      require(List::fits(forms.back(), layer), from.place(),
              "{} should have a form that this machine has, and that fits {}×{} with stride {} in "
              "{} groups, of {} × {} × {} in {}, got '{}'",
              graph_[i].name, c.size, c.size, c.stride, c.groups, layer.in.channels,
              layer.in.height, layer.in.width, settings_text(precision_), name);
      choices_.push_back({graph_[i].name, name, from.template value<double>()});
    }
    prepare(forms,
            [&](std::size_t c) { return List::read(forms[c], kept_layer(convolutions[c]), from); });
  }

  /// The graph as it runs: without batch norm and silent filters.
  [[nodiscard]] const Graph& graph() const { return graph_; }

  /// The coarsest that its layers may compute in.
  [[nodiscard]] PlanPrecision precision() const { return precision_; }

  /// Per convolution, in the order of `graph().convolutions()`. `write_choices` makes text of them.
  [[nodiscard]] const std::vector<LayerChoice>& choices() const { return choices_; }

  /// In which ways it keeps the maps between its layers.
  [[nodiscard]] const KeptMaps& kept() const { return kept_; }

  /// The layers that it computes together, slice by slice, since their maps are large.
  [[nodiscard]] const std::vector<LayerChain>& chains() const { return chains_; }

  /// Computes one image.
  /// @param image  [C, H, W] like the graph's input.
  /// @param head   head(k, logits) is called for each head, k its place in `graph().heads()`; the
  ///               logits, a ConstMap in either layout, are there during the call alone.
  /// @param done   done(i) is called behind every layer, in order. Both are called on this thread,
  ///               perhaps within a parallel region, where LibTorch's functions compute on one.
  template <class Head, class Done>
  void run(const float* image, const Head& head, const Done& done) {
    if constexpr (List::kAreWorkersForms)
      widest_.stand_by([&] { compute(image, head, done); });
    else
      compute(image, head, done);
  }
  template <class Head>
  void run(const float* image, const Head& head) {
    run(image, head, [](int) {});
  }

  /// Whether layer i has work of its own: not a shortcut that a convolution finishes, nor what
  /// hands on its input.
  [[nodiscard]] bool has_work(int i) const {
    return !finished_.contain(i) && !PlanMemory::hands_on(graph_[i]);
  }

  /// Seconds that each layer takes for one image, by graph index; a shortcut that a convolution
  /// finishes takes none.
  [[nodiscard]] std::vector<double> layer_seconds(const float* image) {
    std::vector<double> seconds;
    auto begin = std::chrono::steady_clock::now();
    run(
        image, [](std::size_t, const ConstMap&) {},
        [&](int) {
          const auto end = std::chrono::steady_clock::now();
          seconds.push_back(std::chrono::duration<double>(end - begin).count());
          begin = end;
        });
    // A chain's turn is its last layer's; the clock within says what part is whose.
    for (const LayerChain& chain : chains_) {
      const auto of = [](auto& values, int i) -> double& {
        return values[static_cast<std::size_t>(i)];
      };
      const double turn = of(seconds, chain.last());
      double clocked = 0;
      for (const int i : chain.convolutions) clocked += of(chain_seconds_, i);
      for (const int i : chain.convolutions)
        of(seconds, i) = turn * of(chain_seconds_, i) / clocked;
    }
    return seconds;
  }

  PlanLabels labels;  ///< What goes with it into a file.

 private:
  struct Step {
    typename List::Prepared prepared;
    float slope;
  };

  /// The convolution at graph index i of a plan that is read: its weights stand in the file, and so
  /// does what came of its range.
  [[nodiscard]] FoldedLayer kept_layer(int i) const {
    FoldedLayer layer = folded_layer(graph_, i);
    layer.precision = precision_;
    if (precision_ == PlanPrecision::kInt8) layer.range = ValueRange{};
    return layer;
  }

  [[nodiscard]] Assignment assignment(std::vector<std::vector<double>> costs) const {
    return {graph_,
            std::move(costs),
            {List::kLayouts.begin(), List::kLayouts.end()},
            std::vector<bool>(List::kRounds.begin(), List::kRounds.end())};
  }

  /// Makes the steps, and lays out the memory.
  /// @param prepared  (position in the convolutions) → the layer in its form.
  template <class PreparedOf>
  void prepare(const std::vector<std::size_t>& forms, const PreparedOf& prepared) {
    const auto convolutions = graph_.convolutions();
    std::vector<bool> adds_residual(graph_.layers.size()), rounds(graph_.layers.size());
    steps_.resize(graph_.layers.size());
    for (std::size_t c = 0; c < convolutions.size(); ++c) {
      const auto i = static_cast<std::size_t>(convolutions[c]);
      const auto slope = slope_of(graph_.convolution(convolutions[c]).activation);
      steps_[i].emplace(Step{prepared(c), static_cast<float>(slope)});
      if constexpr (List::kAreWorkersForms)
        widest_ = std::ranges::max(widest_, List::workers(steps_[i]->prepared), {}, &Workers::most);
      adds_residual[i] = List::kAddsResidual[forms[c]];
      rounds[i] = List::kRounds[forms[c]];
    }
    std::vector<std::vector<Slice>> slices(graph_.layers.size());
    std::vector<std::optional<RoundedLayout>> reads(graph_.layers.size());
    for (const int i : convolutions) {
      slices[static_cast<std::size_t>(i)] = List::slices(step(i).prepared);
      reads[static_cast<std::size_t>(i)] = List::reads(step(i).prepared);
    }
    finished_ = FinishedShortcuts(graph_, adds_residual);
    kept_ = KeptMaps(graph_, finished_, reads, rounds, has_bfloat16());
    const auto layouts = assignment({}).layouts(forms);
    chains_ = find_chains(graph_, finished_, layouts, slices, kept_);
    chain_seconds_.resize(graph_.layers.size());
    memory_ = PlanMemory(graph_, layouts, finished_, kept_, chains_);
  }

  [[nodiscard]] std::vector<std::size_t> given(const std::vector<FoldedLayer>& layers,
                                               const Choices& choices) const {
    std::vector<std::size_t> forms;
    const auto convolutions = graph_.convolutions();
    for (std::size_t c = 0; c < layers.size(); ++c) {
      const auto& name = graph_[convolutions[c]].name;
      const auto found = choices.find(name);
      require(found != choices.end(), "choices", "should name a form for {}", name);
      const auto form = List::named(found->second);
      require(List::fits(form, layers[c]), "choices",
              "{} cannot be '{}': there is no such form here, or it does not fit", name,
              found->second);
      forms.push_back(form);
    }
    return forms;
  }

  [[nodiscard]] const Step& step(int i) const { return *steps_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] ConstMap& output(int i) { return outputs_[static_cast<std::size_t>(i + 1)]; }

  template <class Head, class Done>
  void compute(const float* image, const Head& head, const Done& done) {
    outputs_.assign(graph_.layers.size() + 1, {});
    outputs_.front() = ConstMap::dense(image, graph_.input, Layout::kPlanes);
    is_changed_.assign(memory_.places(), false);
    std::size_t heads = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      if (graph_[i].template as<Yolo>())  // now: its buffer may serve a later layer
        head(heads++, output(graph_[i].inputs.front()));
      if (finished_.contain(i))
        output(i) = output(finished_.writer_of(i));
      else if (const auto chain = std::ranges::find(chains_, i, &LayerChain::last);
               chain != chains_.end())
        output(i) = run_chain(*chain);
      else if (memory_.turn(i) == i)  // not one of a chain before its last
        output(i) = run_layer(i);
      done(i);
    }
  }

  /// Output of a layer in the layout that is wanted, changed once.
  ConstMap in(int i, Layout wanted) {
    const ConstMap& map = output(i);
    if (map.is_dense(wanted)) return map;
    const auto where = PlanMemory::place(i, wanted);
    const Map& other = memory_.changed(where);
    if (!is_changed_[where]) copy_map(map, other);
    is_changed_[where] = true;
    return other;
  }

  /// The output of layer i.
  ConstMap run_layer(int i) {
    const Layer& layer = graph_[i];
    const auto layout = memory_.layout(i);
    const auto input = [&](int j) { return in(j, layout); };
    const Map& y = memory_.output(i);
    return visit(
        layer, [&](const Convolutional& conv) { return convolve(i, conv); },
        [&](const Shortcut& shortcut) -> ConstMap {
          add(input(layer.inputs.front()), input(layer.inputs.back()), y, shortcut.activation,
              layout);
          return y;
        },
        [&](const Route& route) -> ConstMap {
          if (layer.inputs.size() == 1) {
            const auto x = input(layer.inputs.front());
            return x.part(route.taken(x.shape.channels));
          }
          parts_.clear();
          for (const int j : layer.inputs) parts_.push_back(input(j));
          concatenate(route, parts_, y, layout);
          return y;
        },
        [&](const Upsample& up) -> ConstMap {
          enlarge(input(layer.inputs.front()), up.stride, y, layout);
          return y;
        },
        [&](const MaxPool& pool) -> ConstMap {
          max_pool(input(layer.inputs.front()), pool, y, layout);
          return y;
        },
        [&](const Product&) -> ConstMap {
          multiply(input(layer.inputs.front()), input(layer.inputs.back()), y, layout);
          return y;
        },
        [&](const GlobalAverage&) -> ConstMap {
          average(input(layer.inputs.front()), y);
          return y;
        },
        [&](const Yolo&) { return output(layer.inputs.front()); });
  }

  /// What finishes convolution i, but for the residual.
  [[nodiscard]] Finish finish_of(int i) const {
    Finish finish{.slope = step(i).slope};
    if (const int sum = finished_.by(i); sum != FinishedShortcuts::kNone)
      finish.residual_slope =
          static_cast<float>(slope_of(std::get<Shortcut>(graph_[sum].operation).activation));
    return finish;
  }
  /// What convolution i reads, if it is floats.
  [[nodiscard]] ConstMap input_of(int i) {
    const int from = graph_[i].inputs.front();
    if (kept_.read_by(i) != KeptMaps::kNumbers) return {nullptr, graph_.shape(from)};
    return in(from, memory_.layout(i));
  }
  /// What convolution i adds, if it is floats: null if nothing.
  [[nodiscard]] const float* residual_of(int i) {
    const auto from = finished_.added_by(i);
    if (!from || kept_.added_from(*from) != KeptMaps::kNumbers) return nullptr;
    return in(*from, memory_.layout(i)).data;
  }
  /// What convolution i reads and writes rounded, as whole maps.
  [[nodiscard]] RoundedMaps rounded_of(int i) const {
    RoundedMaps maps;
    const int written = finished_.written_by(i);
    if (kept_.read_by(i) == KeptMaps::kOperands)
      maps.x = memory_.rounded(graph_[i].inputs.front(), KeptMaps::kOperands);
    maps.y = {memory_.rounded(written, KeptMaps::kOperands),
              memory_.rounded(written, KeptMaps::kAddends)};
    if (const auto from = finished_.added_by(i))
      if (const auto way = kept_.added_from(*from); way != KeptMaps::kNumbers)
        maps.residual = memory_.rounded(*from, way);
    return maps;
  }

  /// A convolution in its form, and the shortcut that it finishes.
  ConstMap convolve(int i, const Convolutional& conv) {
    const Map& y = memory_.output(finished_.written_by(i));
    Finish finish = finish_of(i);
    finish.residual = residual_of(i);
    List::run(step(i).prepared, {input_of(i), y, finish, rounded_of(i)});
    if (!is_piecewise_linear(conv.activation)) activate(y, conv.activation);
    return y;
  }

  /// The convolutions of a chain, and the shortcuts that they finish: the output of the last.
  ConstMap run_chain(const LayerChain& chain) {
    const auto& nodes = chain.convolutions;
    const ConstMap x = input_of(nodes.front());
    const Map& y = memory_.output(finished_.written_by(nodes.back()));
    std::array<RowMaps<>, SliceChain::kMostNodes> maps;
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      maps[n].finish = finish_of(nodes[n]);
      if (chain.slices.residual(n) == SliceChain::kNone)
        maps[n].residual =
            MapRows<const float>::whole(residual_of(nodes[n]), graph_.shape(nodes[n]));
      maps[n].rounded = rounded_of(nodes[n]);  // the windows' have no whole map
      chain_seconds_[static_cast<std::size_t>(nodes[n])] = 0;
    }
    maps.front().x = MapRows<const float>::whole(x.data, x.shape);
    maps[nodes.size() - 1].y = MapRows<float>::whole(y.data, y.shape);
    const auto count = static_cast<std::int64_t>(chain.slices.slices());
    workers_for(y.numbers())(count, [&](std::int64_t begin, std::int64_t end) {
      auto mine = maps;
      chain.slices.run(begin, end, [&](std::size_t n, std::size_t k, const auto& windows) {
        chain.in_windows(n, windows, finished_, kept_, mine[n]);
        const auto start = std::chrono::steady_clock::now();
        List::run_slice(step(nodes[n]).prepared, k, mine[n]);
        if (begin == 0)
          chain_seconds_[static_cast<std::size_t>(nodes[n])] +=
              std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      });
    });
    const auto activation = graph_.convolution(nodes.back()).activation;
    if (!is_piecewise_linear(activation)) activate(y, activation);
    return y;
  }

  Graph graph_;
  PlanPrecision precision_ = PlanPrecision::kFloat32;
  std::vector<std::optional<Step>> steps_;  // by graph index: the convolutions
  FinishedShortcuts finished_;
  KeptMaps kept_;
  std::vector<LayerChain> chains_;
  PlanMemory memory_;
  std::vector<LayerChoice> choices_;
  Workers widest_{0};  // of the convolutions'
  // Of the image that is computed: the outputs so far, the image's first, in the layout they have;
  // those that were changed, by place; inputs of a route.
  std::vector<ConstMap> outputs_;
  std::vector<bool> is_changed_;
  std::vector<ConstMap> parts_;
  std::vector<double> chain_seconds_;  // by graph index, of layers that are in a chain
};

}  // namespace serpette::deploy
