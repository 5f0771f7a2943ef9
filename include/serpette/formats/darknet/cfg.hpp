#pragma once

/// @file
/// Darknet's cfg files: sections → typed layers, and back. No LibTorch.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/formats/darknet/cfg_section.hpp"
#include "serpette/formats/darknet/new_coords.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/infer_shape.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

namespace detail {

/// Darknet's spelling of the activations.
inline constexpr std::array<std::pair<std::string_view, Activation>, 6> kActivationNames{
    {{"linear", Activation::kLinear},
     {"leaky", Activation::kLeaky},
     {"relu", Activation::kRelu},
     {"logistic", Activation::kLogistic},
     {"mish", Activation::kMish},
     {"swish", Activation::kSwish}}};

inline Activation read_activation(const CfgSection& s, std::string_view otherwise) {
  const auto name = s.text("activation", otherwise);
  for (const auto& [known, activation] : kActivationNames)
    if (known == name) return activation;
  std::vector<std::string_view> known;
  for (const auto& [spelling, activation] : kActivationNames) known.push_back(spelling);
  fail(s.at("activation"), "activation should be one of {}, got \"{}\"", fmt::join(known, ", "),
       name);
}

inline std::string_view name_of(Activation activation) {
  for (const auto& [name, known] : kActivationNames)
    if (known == activation) return name;
  return {};
}

/// The layer numbers of a `from` or `layers` list, relative ones resolved against `index`.
inline std::vector<int> read_sources(const CfgSection& s, std::string_view key,
                                     const Graph& graph) {
  auto sources = s.list<int>(key);
  const int index = graph.size();
  require(!sources.empty(), s.at(key), "[{}] should have {} = …, got none", s.kind(), key);
  for (int& source : sources) {
    const int written = source;
    if (source < 0) source += index;
    if (source < 0 || source >= index)
      fail(s.at(key), "{} of [{}] should name a layer before this one, {}, got {}", key, s.kind(),
           index == 0 ? "and there is none" : fmt::format("0 to {} or -{} to -1", index - 1, index),
           written);
  }
  return sources;
}

/// What darknet calls a kind of layer: the section's names, of which the first is written, and the
/// prefix of the names that errors and reports use.
struct CfgKind {
  std::array<std::string_view, 2> sections;
  std::string_view prefix;
};
inline CfgKind cfg_kind(const Operation& operation) {
  return std::visit(
      Overloaded{[](const Convolutional&) { return CfgKind{{"convolutional", "conv"}, "conv"}; },
                 [](const Shortcut&) { return CfgKind{{"shortcut"}, "shortcut"}; },
                 [](const Route&) { return CfgKind{{"route"}, "route"}; },
                 [](const Upsample&) { return CfgKind{{"upsample"}, "upsample"}; },
                 [](const MaxPool&) { return CfgKind{{"maxpool", "max"}, "maxpool"}; },
                 [](const Yolo&) { return CfgKind{{"yolo"}, "yolo"}; },
                 [](const Product& p) {
                   return p.by_channel ? CfgKind{{"scale_channels", "sam"}, "scale_channels"}
                                       : CfgKind{{"sam", "scale_channels"}, "sam"};
                 },
                 [](const GlobalAverage&) { return CfgKind{{"avgpool", "avg"}, "avgpool"}; }},
      operation);
}

/// An operation of every kind, with default settings.
template <class... Kinds>
std::array<Operation, sizeof...(Kinds)> every_kind(std::type_identity<std::variant<Kinds...>>) {
  return {Kinds{}...};
}

/// The operation, still with default settings, that a section's name stands for. A dropout, which
/// is for darknet's training alone, is a route of what it reads.
inline Operation operation_named(const CfgSection& s) {
  if (s.kind() == "dropout") return Route{};
  if (s.kind() == "scale_channels") return Product{.by_channel = true};
  std::vector<std::string_view> known;
  for (const auto& operation : every_kind(std::type_identity<Operation>{})) {
    const auto sections = cfg_kind(operation).sections;
    if (s.kind() == sections[0] || (!sections[1].empty() && s.kind() == sections[1]))
      return operation;
    known.push_back(sections[0]);
  }
  known.insert(known.end(), {"scale_channels", "dropout"});
  fail(s.at(s.line()), "layer should be one of {}, got [{}]", fmt::join(known, ", "), s.kind());
}

/// Whether a route was darknet's dropout, whose probability it carries.
inline bool is_dropout(const Layer& layer) {
  return layer.as<Route>() && std::ranges::any_of(layer.carried, [](const auto& setting) {
           return setting.first == "probability";
         });
}

/// Reads a section into a layer of its kind: settings, sources, and what serpette does not
/// interpret.
struct ReadLayer {
  const CfgSection& s;
  const Graph& graph;
  Layer& layer;

  void operator()(Convolutional& conv) const {
    know(
        {"batch_normalize", "filters", "size", "stride", "pad", "padding", "groups", "activation"});
    conv = {.filters = s.integer("filters", 1, 1),
            .size = s.integer("size", 1, 1, 1024),
            .stride = s.integer("stride", 1, 1, 1024),
            .padding = s.integer("padding", 0, 0, 1024),
            .groups = s.integer("groups", 1, 1),
            .batch_normalize = s.integer("batch_normalize", 0, 0, 1) == 1,
            .activation = read_activation(s, "logistic")};
    if (s.integer("pad", 0, 0, 1) == 1) conv.padding = conv.size / 2;
  }

  void operator()(Shortcut& shortcut) const {
    know({"from", "activation"});
    shortcut.activation = read_activation(s, "linear");
    const auto from = read_sources(s, "from", graph);
    require(from.size() == 1, s.at("from"), "from of [shortcut] should be one layer, got {}",
            from.size());
    layer.inputs.push_back(from.front());
  }

  void operator()(Route& route) const {
    if (s.kind() == "dropout") {  // hands on what it reads; darknet's training wants it back
      know({}, {"probability"});
      if (!is_dropout(layer)) layer.carried.emplace_back("probability", "0.2");  // its default
      return;
    }
    know({"layers", "groups", "group_id"});
    route.groups = s.integer("groups", 1, 1);
    route.group_id = s.integer("group_id", 0, 0, route.groups - 1);
    layer.inputs = read_sources(s, "layers", graph);
  }

  void operator()(Upsample& up) const {
    know({"stride"});
    up.stride = s.integer("stride", 2, 1, 1024);
  }

  void operator()(MaxPool& pool) const {
    know({"size", "stride", "padding"});
    pool.stride = s.integer("stride", 1, 1, 1024);
    pool.size = s.integer("size", pool.stride, 1, 1024);
    pool.padding = s.integer("padding", pool.size - 1, 0, 1024);
  }

  void operator()(Product&) const {
    know({"from", "activation", "scale_wh"});
    require(s.integer("scale_wh", 0, 0, 1) == 0, s.at("scale_wh"),
            "scale_wh of [{}] should be 0 (channels are scaled), got 1", s.kind());
    require(read_activation(s, "linear") == Activation::kLinear, s.at("activation"),
            "activation of [{}] should be linear, got {}", s.kind(), s.text("activation", ""));
    const auto from = read_sources(s, "from", graph);
    require(from.size() == 1, s.at("from"), "from of [{}] should be one layer, got {}", s.kind(),
            from.size());
    layer.inputs.push_back(from.front());
  }

  void operator()(GlobalAverage&) const { know({}); }

  void operator()(Yolo& head) const {
    know({"mask", "anchors", "classes", "num", "ignore_thresh", "truth_thresh", "scale_x_y",
          "new_coords"},
         {"jitter", "resize", "random", "max", "max_delta", "iou_thresh", "iou_loss",
          "iou_normalizer", "cls_normalizer", "obj_normalizer", "objectness_smooth", "nms_kind",
          "beta_nms"});
    head = {.anchors = {},
            .mask = s.list<int>("mask"),
            .classes = s.integer("classes", 20, 1),
            .ignore_thresh = s.number("ignore_thresh", 0.5F),
            .truth_thresh = s.number("truth_thresh", 1.0F),
            .scale_x_y = s.number("scale_x_y", 1.0F),
            .new_coords = s.integer("new_coords", 0, 0, 1) == 1};
    require(head.scale_x_y >= 1 && head.scale_x_y <= 4, s.at("scale_x_y"),
            "scale_x_y of [yolo] should be from 1 to 4, got {}", head.scale_x_y);
    const auto sizes = s.list<float>("anchors");
    require(!sizes.empty() && sizes.size() % 2 == 0, s.at("anchors"),
            "anchors of [yolo] should be pairs width,height, got {} numbers", sizes.size());
    for (std::size_t i = 0; i < sizes.size(); i += 2) {
      if (!(sizes[i] > 0 && sizes[i + 1] > 0))
        fail(s.at("anchors"), "anchors of [yolo] should be positive, got {},{}", sizes[i],
             sizes[i + 1]);
      head.anchors.push_back({sizes[i], sizes[i + 1]});
    }
    const int count = static_cast<int>(head.anchors.size());
    require(s.integer("num", count, 1) >= count, s.at("num"),  // darknet fills up with tiny ones
            "num of [yolo] should be {}, the number of anchors, got {}", count, s.text("num", ""));
    if (!s.has("mask"))
      for (int i = 0; i < count; ++i) head.mask.push_back(i);
    for (const int m : head.mask)
      if (m < 0 || m >= count)
        fail(s.at("mask"), "mask of [yolo] should name anchors 0 to {}, got {}", count - 1, m);
    require(head.truth_thresh >= 1, s.at("truth_thresh"),
            "truth_thresh of [yolo] should be 1 (a truth belongs to its one best anchor), got {}",
            head.truth_thresh);
  }

 private:
  /// Refuses other keys than these. Those that change nothing here, but steer darknet's training
  /// (serpette trains with the loss of YOLOv3, whatever `iou_loss` says), go with the layer.
  void know(std::vector<std::string_view> read, std::vector<std::string_view> carried = {}) const {
    carried.insert(carried.end(), {"stopbackward", "learning_rate"});  // of any layer
    read.insert(read.end(), carried.begin(), carried.end());
    s.require_known(read);
    for (const auto& e : s.entries())
      if (std::ranges::find(carried, e.key) != carried.end())
        layer.carried.emplace_back(e.key, e.value);
  }
};

inline Layer read_layer(const CfgSection& s, const Graph& graph) {
  const int index = graph.size();
  Layer layer{.name = {},
              .operation = operation_named(s),
              .inputs = {index - 1},
              .output = {},
              .line = s.line(),
              .carried = {}};
  layer.name = fmt::format("{}_{}", cfg_kind(layer.operation).prefix, index);
  std::visit(ReadLayer{s, graph, layer}, layer.operation);
  for (const int i : layer.inputs)
    if (i != kImage && graph[i].as<Yolo>())
      fail(s.at(s.line()),
           "{} should not read {}: a head ends its branch, and [route] begins the next", layer.name,
           graph[i].name);
  layer.output = infer_shape(graph, layer, s.at(s.line()));
  return layer;
}

/// Writes the settings of layer i that are not darknet's defaults, one `key=value` a line.
struct WriteLayer {
  std::back_insert_iterator<std::string> out;
  const Graph& graph;
  const Layer& layer;
  int index;

  template <class... Args>
  void line(fmt::format_string<Args...> text, Args&&... args) const {
    fmt::format_to(out, text, std::forward<Args>(args)...);
    fmt::format_to(out, "\n");
  }

  void operator()(const Convolutional& conv) const {
    if (conv.batch_normalize) line("batch_normalize=1");
    line("filters={}\nsize={}\nstride={}", conv.filters, conv.size, conv.stride);
    if (conv.padding == conv.size / 2)
      line("pad=1");
    else
      line("padding={}", conv.padding);
    if (conv.groups != 1) line("groups={}", conv.groups);
    const auto heads = graph.heads();
    const bool feeds_new_coords = std::ranges::any_of(heads, [&](int head) {
      return graph[head].inputs.front() == index && graph.head(head).new_coords;
    });
    line("activation={}", name_of(feeds_new_coords ? Activation::kLogistic : conv.activation));
  }
  void operator()(const Shortcut& shortcut) const {
    line("from={}\nactivation={}", layer.inputs.back() - index, name_of(shortcut.activation));
  }
  void operator()(const Route& route) const {
    line("layers={}", fmt::join(layer.inputs, ","));
    if (route.groups != 1) line("groups={}\ngroup_id={}", route.groups, route.group_id);
  }
  void operator()(const Upsample& up) const { line("stride={}", up.stride); }
  void operator()(const MaxPool& pool) const {
    line("size={}\nstride={}", pool.size, pool.stride);
    if (pool.padding != pool.size - 1) line("padding={}", pool.padding);
  }
  void operator()(const Product&) const { line("from={}", layer.inputs.back() - index); }
  void operator()(const GlobalAverage&) const {}
  void operator()(const Yolo& yolo) const {
    std::vector<std::string> anchors;
    for (const auto& [w, h] : yolo.anchors) anchors.push_back(fmt::format("{},{}", w, h));
    line("mask={}\nanchors={}\nclasses={}\nnum={}\nignore_thresh={}\ntruth_thresh={}",
         fmt::join(yolo.mask, ","), fmt::join(anchors, ",  "), yolo.classes, yolo.anchors.size(),
         yolo.ignore_thresh, yolo.truth_thresh);
    if (yolo.scale_x_y != 1) line("scale_x_y={}", yolo.scale_x_y);
    if (yolo.new_coords) line("new_coords=1");
  }
};

}  // namespace detail

/// Reads a darknet network description; unmodified cfg files of YOLOv3, YOLOv3-SPP, YOLOv3-tiny,
/// YOLOv4 and YOLOv7 parse.
/// @param text   the file's content.
/// @param place  what errors call it, usually its path; they read `place:line: what should be …,
/// got …`.
/// @throws Error  on an unknown layer or key, a bad number, a source layer that is not there,
/// shapes that do not fit,
///                and a head whose channels are not anchors × (5 + classes).
inline Graph parse_cfg(std::string_view text, std::string_view place) {
  const auto sections = detail::split_cfg(text, place);
  const auto& net = sections.front();
  Graph graph;
  for (const auto& e : net.entries()) graph.net.emplace_back(e.key, e.value);
  for (const auto* key : {"width", "height"})
    require(net.has(key), net.at(net.line()), "[net] should have {} = …, got none", key);
  graph.input = {net.integer("channels", 3, 1), net.integer("height", 0, 1, 1 << 15),
                 net.integer("width", 0, 1, 1 << 15)};
  const auto& image = graph.input;
  require(std::int64_t{image.height} * image.width <= detail::kMapNumbers / image.channels,
          net.at(net.line()), "the image should have at most {} numbers, got {} × {} × {}",
          detail::kMapNumbers, image.channels, image.height, image.width);
  for (std::size_t i = 1; i < sections.size(); ++i)
    graph.layers.push_back(detail::read_layer(sections[i], graph));
  detail::make_heads_logits(graph, place);
  double work = 0;  // what footprints add up must be a number
  for (const int i : graph.convolutions()) work += static_cast<double>(macs(graph, i));
  require(work < 0x1p62, place, "should need less than 2^62 multiply-adds, got {:.3g}", work);
  require(graph.size() > 0, place, "should have at least one layer after [net], got none");
  return graph;
}

/// Reads a cfg file; as parse_cfg.
/// @throws Error  also if the network does not read RGB pictures.
inline Graph load_cfg(const std::filesystem::path& path) {
  const auto text = read_file(path);
  auto graph = parse_cfg(text, path.string());
  if (graph.input.channels != 3)
    fail(detail::split_cfg(text, path.string()).front().at("channels"),
         "channels of [net] should be 3, got {}: pictures are RGB, and --color greyscale shows a "
         "network grey ones",
         graph.input.channels);
  return graph;
}

/// The cfg text of a graph, in darknet's layout: parse_cfg(write_cfg(g)) is g again, but for line
/// numbers. Keys that serpette does not interpret are written as they were read.
inline std::string write_cfg(const Graph& graph) {
  std::string text = "[net]\n";
  const auto out = std::back_inserter(text);
  const std::array<std::pair<std::string_view, int>, 3> canvas{
      {{"width", graph.input.width},
       {"height", graph.input.height},
       {"channels", graph.input.channels}}};
  for (const auto& [key, value] : canvas) fmt::format_to(out, "{}={}\n", key, value);
  for (const auto& [key, value] : graph.net)
    if (std::ranges::find(canvas, key, &std::pair<std::string_view, int>::first) == canvas.end())
      fmt::format_to(out, "{}={}\n", key, value);
  for (int i = 0; i < graph.size(); ++i) {
    const auto& layer = graph[i];
    if (detail::is_dropout(layer)) {
      text += "\n[dropout]\n";
    } else {
      fmt::format_to(out, "\n[{}]\n", detail::cfg_kind(layer.operation).sections[0]);
      std::visit(detail::WriteLayer{out, graph, layer, i}, layer.operation);
    }
    for (const auto& [key, value] : layer.carried) fmt::format_to(out, "{}={}\n", key, value);
  }
  return text;
}

}  // namespace serpette
