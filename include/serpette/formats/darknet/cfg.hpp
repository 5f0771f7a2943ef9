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
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/formats/darknet/cfg_section.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/infer_shape.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

namespace detail {

/// Darknet's spelling of the activations.
inline constexpr std::array<std::pair<std::string_view, Activation>, 4> kActivationNames{
    {{"linear", Activation::kLinear},
     {"leaky", Activation::kLeaky},
     {"relu", Activation::kRelu},
     {"logistic", Activation::kLogistic}}};

inline Activation read_activation(const CfgSection& s, std::string_view otherwise) {
  const auto name = s.text("activation", otherwise);
  for (const auto& [known, activation] : kActivationNames)
    if (known == name) return activation;
  fail(s.at("activation"), "activation should be linear, leaky, relu or logistic, got \"{}\"",
       name);
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
    require(
        source >= 0 && source < index, s.at(key),
        "{} of [{}] should name a layer before this one, {}, got {}", key, s.kind(),
        index == 0 ? "and there is none" : fmt::format("0 to {} or -{} to -1", index - 1, index),
        written);
  }
  return sources;
}

inline Convolutional read_convolutional(const CfgSection& s) {
  s.require_known(
      {"batch_normalize", "filters", "size", "stride", "pad", "padding", "groups", "activation"});
  Convolutional conv{.filters = s.integer("filters", 1, 1),
                     .size = s.integer("size", 1, 1, 1024),
                     .stride = s.integer("stride", 1, 1, 1024),
                     .padding = s.integer("padding", 0, 0, 1024),
                     .groups = s.integer("groups", 1, 1),
                     .batch_normalize = s.integer("batch_normalize", 0, 0, 1) == 1,
                     .activation = read_activation(s, "logistic")};
  if (s.integer("pad", 0, 0, 1) == 1) conv.padding = conv.size / 2;
  return conv;
}

inline Yolo read_yolo(const CfgSection& s) {
  // jitter, random and max steer darknet's own augmentation.
  s.require_known({"mask", "anchors", "classes", "num", "jitter", "ignore_thresh", "truth_thresh",
                   "random", "max"});
  Yolo head{.anchors = {},
            .mask = s.list<int>("mask"),
            .classes = s.integer("classes", 20, 1),
            .ignore_thresh = s.number("ignore_thresh", 0.5F),
            .truth_thresh = s.number("truth_thresh", 1.0F)};
  const auto sizes = s.list<float>("anchors");
  require(!sizes.empty() && sizes.size() % 2 == 0, s.at("anchors"),
          "anchors of [yolo] should be pairs width,height, got {} numbers", sizes.size());
  for (std::size_t i = 0; i < sizes.size(); i += 2) {
    require(sizes[i] > 0 && sizes[i + 1] > 0, s.at("anchors"),
            "anchors of [yolo] should be positive, got {},{}", sizes[i], sizes[i + 1]);
    head.anchors.push_back({sizes[i], sizes[i + 1]});
  }
  const int count = static_cast<int>(head.anchors.size());
  require(s.integer("num", count, 1) == count, s.at("num"),
          "num of [yolo] should be {}, the number of anchors, got {}", count, s.text("num", ""));
  if (!s.has("mask"))
    for (int i = 0; i < count; ++i) head.mask.push_back(i);
  for (const int m : head.mask)
    require(m >= 0 && m < count, s.at("mask"), "mask of [yolo] should name anchors 0 to {}, got {}",
            count - 1, m);
  require(head.truth_thresh >= 1, s.at("truth_thresh"),
          "truth_thresh of [yolo] should be 1 (a truth belongs to its one best anchor), got {}",
          head.truth_thresh);
  return head;
}

inline Layer read_layer(const CfgSection& s, const Graph& graph) {
  const int index = graph.size();
  Layer layer{
      .name = {}, .operation = Shortcut{}, .inputs = {index - 1}, .output = {}, .line = s.line()};
  const auto& kind = s.kind();
  std::string_view prefix = kind;
  if (kind == "convolutional" || kind == "conv") {
    layer.operation = read_convolutional(s);
    prefix = "conv";
  } else if (kind == "shortcut") {
    s.require_known({"from", "activation"});
    layer.operation = Shortcut{read_activation(s, "linear")};
    const auto from = read_sources(s, "from", graph);
    require(from.size() == 1, s.at("from"), "from of [shortcut] should be one layer, got {}",
            from.size());
    layer.inputs.push_back(from.front());
  } else if (kind == "route") {
    s.require_known({"layers", "groups", "group_id"});
    const int groups = s.integer("groups", 1, 1);
    layer.operation = Route{groups, s.integer("group_id", 0, 0, groups - 1)};
    layer.inputs = read_sources(s, "layers", graph);
  } else if (kind == "upsample") {
    s.require_known({"stride"});
    layer.operation = Upsample{s.integer("stride", 2, 1, 1024)};
  } else if (kind == "maxpool" || kind == "max") {
    s.require_known({"size", "stride", "padding"});
    const int stride = s.integer("stride", 1, 1, 1024), size = s.integer("size", stride, 1, 1024);
    layer.operation = MaxPool{size, stride, s.integer("padding", size - 1, 0, 1024)};
    prefix = "maxpool";
  } else if (kind == "yolo") {
    layer.operation = read_yolo(s);
  } else {
    fail(s.at(s.line()),
         "layer should be convolutional, shortcut, route, upsample, maxpool or yolo, got [{}]",
         kind);
  }
  layer.name = fmt::format("{}_{}", prefix, index);
  for (const int i : layer.inputs)
    require(i == kImage || !graph[i].as<Yolo>(), s.at(s.line()),
            "{} should not read {}: a head ends its branch, and [route] begins the next",
            layer.name, i == kImage ? "" : graph[i].name);
  layer.output = infer_shape(graph, layer, s.at(s.line()));
  return layer;
}

}  // namespace detail

/// Reads a darknet network description; unmodified cfg files of YOLOv3, YOLOv3-SPP and YOLOv3-tiny
/// parse.
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
  for (std::size_t i = 1; i < sections.size(); ++i)
    graph.layers.push_back(detail::read_layer(sections[i], graph));
  require(graph.size() > 0, place, "should have at least one layer after [net], got none");
  return graph;
}

/// Reads a cfg file; as parse_cfg.
inline Graph load_cfg(const std::filesystem::path& path) {
  return parse_cfg(read_file(path), path.string());
}

/// The cfg text of a graph, in darknet's layout: parse_cfg(write_cfg(g)) is g again, but for line
/// numbers.
inline std::string write_cfg(const Graph& graph) {
  std::string text = "[net]\n";
  const auto out = std::back_inserter(text);
  const std::array<std::pair<std::string_view, int>, 3> canvas{
      {{"width", graph.input.width},
       {"height", graph.input.height},
       {"channels", graph.input.channels}}};
  for (const auto& [key, value] : canvas) fmt::format_to(out, "{}={}\n", key, value);
  for (const auto& [key, value] : graph.net)
    if (std::none_of(canvas.begin(), canvas.end(), [&](const auto& c) { return c.first == key; }))
      fmt::format_to(out, "{}={}\n", key, value);
  const auto name = [](Activation a) {
    for (const auto& [known, activation] : detail::kActivationNames)
      if (activation == a) return known;
    return std::string_view{};
  };
  for (int i = 0; i < graph.size(); ++i) {
    const auto& layer = graph[i];
    if (const auto* conv = layer.as<Convolutional>()) {
      text += "\n[convolutional]\n";
      if (conv->batch_normalize) text += "batch_normalize=1\n";
      fmt::format_to(out, "filters={}\nsize={}\nstride={}\n", conv->filters, conv->size,
                     conv->stride);
      if (conv->padding == conv->size / 2) {
        text += "pad=1\n";
      } else {
        fmt::format_to(out, "padding={}\n", conv->padding);
      }
      if (conv->groups != 1) fmt::format_to(out, "groups={}\n", conv->groups);
      fmt::format_to(out, "activation={}\n", name(conv->activation));
    } else if (const auto* shortcut = layer.as<Shortcut>()) {
      fmt::format_to(out, "\n[shortcut]\nfrom={}\nactivation={}\n", layer.inputs.back() - i,
                     name(shortcut->activation));
    } else if (const auto* route = layer.as<Route>()) {
      fmt::format_to(out, "\n[route]\nlayers={}\n", fmt::join(layer.inputs, ","));
      if (route->groups != 1)
        fmt::format_to(out, "groups={}\ngroup_id={}\n", route->groups, route->group_id);
    } else if (const auto* up = layer.as<Upsample>()) {
      fmt::format_to(out, "\n[upsample]\nstride={}\n", up->stride);
    } else if (const auto* pool = layer.as<MaxPool>()) {
      fmt::format_to(out, "\n[maxpool]\nsize={}\nstride={}\n", pool->size, pool->stride);
      if (pool->padding != pool->size - 1) fmt::format_to(out, "padding={}\n", pool->padding);
    } else if (const auto* yolo = layer.as<Yolo>()) {
      std::vector<std::string> anchors;
      for (const auto& [w, h] : yolo->anchors) anchors.push_back(fmt::format("{},{}", w, h));
      fmt::format_to(
          out,
          "\n[yolo]\nmask={}\nanchors={}\nclasses={}\nnum={}\nignore_thresh={}\ntruth_thresh={}\n",
          fmt::join(yolo->mask, ","), fmt::join(anchors, ",  "), yolo->classes,
          yolo->anchors.size(), yolo->ignore_thresh, yolo->truth_thresh);
    }
  }
  return text;
}

}  // namespace serpette
