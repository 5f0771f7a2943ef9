#pragma once

/// @file
/// Darknet's cfg files: text → Graph and back. No LibTorch.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/graph.hpp"
#include "serpette/io/read_file.hpp"

namespace serpette {

namespace detail {

/// Darknet's spelling of the activations.
inline constexpr std::array<std::pair<std::string_view, Activation>, 4> kActivationNames{
    {{"linear", Activation::kLinear},
     {"leaky", Activation::kLeaky},
     {"relu", Activation::kRelu},
     {"logistic", Activation::kLogistic}}};

inline std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// One `[kind]` section of a cfg with its `key = value` lines, read by type. Errors name file and
/// line.
class CfgSection {
 public:
  struct Entry {
    std::string key, value;
    int line;
  };

  CfgSection(std::string_view file, std::string kind, int line)
      : file_(file), kind_(std::move(kind)), line_(line) {}

  void add(std::string_view key, std::string_view value, int line) {
    require(!key.empty() && !value.empty(), at(line), "should be key = value, got \"{}={}\"", key,
            value);
    require(!find(key), at(line), "\"{}\" should be given once, was already in line {}", key,
            find(key) ? find(key)->line : 0);
    entries_.push_back({std::string(key), std::string(value), line});
  }

  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] int line() const { return line_; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::string at(int line) const { return fmt::format("{}:{}", file_, line); }
  [[nodiscard]] std::string at(std::string_view key) const {
    return at(find(key) ? find(key)->line : line_);
  }
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const {
    return find(key) ? find(key)->value : std::string(otherwise);
  }

  [[nodiscard]] int integer(std::string_view key, int otherwise, int low,
                            int high = 1 << 20) const {
    if (!has(key)) return otherwise;
    const auto value = parse<int>(find(key)->value);
    require(value && *value >= low && *value <= high, at(key),
            "{} of [{}] should be a whole number from {} to {}, got \"{}\"", key, kind_, low, high,
            find(key)->value);
    return *value;
  }

  [[nodiscard]] float number(std::string_view key, float otherwise) const {
    if (!has(key)) return otherwise;
    const auto value = parse<float>(find(key)->value);
    require(value.has_value(), at(key), "{} of [{}] should be a number, got \"{}\"", key, kind_,
            find(key)->value);
    return *value;
  }

  /// Comma-separated numbers; empty if the key is absent.
  template <class Number>
  [[nodiscard]] std::vector<Number> list(std::string_view key) const {
    std::vector<Number> values;
    if (!has(key)) return values;
    for (std::string_view rest = find(key)->value;;) {
      const auto comma = rest.find(',');
      const auto value = parse<Number>(trimmed(rest.substr(0, comma)));
      require(value.has_value(), at(key), "{} of [{}] should be {} separated by commas, got \"{}\"",
              key, kind_, std::is_integral_v<Number> ? "whole numbers" : "numbers",
              find(key)->value);
      values.push_back(*value);
      if (comma == std::string_view::npos || trimmed(rest.substr(comma + 1)).empty()) return values;
      rest.remove_prefix(comma + 1);
    }
  }

  /// Refuses keys that serpette does not know: a misspelt key, or a setting that changes the
  /// network, must not be dropped in silence.
  void require_known(std::initializer_list<std::string_view> keys) const {
    for (const auto& e : entries_)
      require(std::find(keys.begin(), keys.end(), e.key) != keys.end(), at(e.line),
              "key of [{}] should be one of {}, got \"{}\"", kind_, fmt::join(keys, ", "), e.key);
  }

 private:
  [[nodiscard]] const Entry* find(std::string_view key) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.key == key; });
    return found == entries_.end() ? nullptr : &*found;
  }

  template <class Number>
  static std::optional<Number> parse(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    Number value{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if constexpr (std::is_floating_point_v<Number>)
      if (!std::isfinite(value)) return std::nullopt;
    return value;
  }

  std::string file_, kind_;
  int line_;
  std::vector<Entry> entries_;
};

inline std::vector<CfgSection> split_cfg(std::string_view text, std::string_view file) {
  std::vector<CfgSection> sections;
  int number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, std::min(end, text.find_first_of("#;"))));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const auto place = [&] { return fmt::format("{}:{}", file, number); };
    require(line.find('\0') == std::string_view::npos, place(),
            "should be text, got a zero byte: is this a weights file?");
    if (line.empty()) continue;
    if (line.front() == '[') {
      require(line.back() == ']', place(),
              "should be a section such as [convolutional], got \"{}\"", line);
      sections.emplace_back(file, std::string(trimmed(line.substr(1, line.size() - 2))), number);
      continue;
    }
    require(!sections.empty(), place(), "should begin with the section [net], got \"{}\"", line);
    const auto equals = line.find('=');
    require(equals != std::string_view::npos, place(), "should be key = value, got \"{}\"", line);
    sections.back().add(trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1)), number);
  }
  require(!sections.empty() &&
              (sections.front().kind() == "net" || sections.front().kind() == "network"),
          file, "should begin with the section [net], got {}",
          sections.empty() ? "an empty file" : fmt::format("[{}]", sections.front().kind()));
  return sections;
}

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

/// Shape of what `layer` makes of its inputs.
/// @throws Error  at `place` if the inputs do not fit the operation or nothing is left of them.
inline Shape infer_shape(const Graph& graph, const Layer& layer, std::string_view place) {
  const Shape in = graph.shape(layer.inputs.front());
  Shape out = in;
  const auto show = [](const Shape& s) {
    return fmt::format("{} × {} × {}", s.channels, s.height, s.width);
  };
  const auto slide = [&](int size, int stride, int padding) {
    out.height = (in.height + padding - size) / stride + 1;
    out.width = (in.width + padding - size) / stride + 1;
    require(in.height + padding >= size && in.width + padding >= size, place,
            "{} should read at least {} × {} cells, got {} × {} (with padding)", layer.name, size,
            size, in.height + padding, in.width + padding);
  };
  if (const auto* conv = layer.as<Convolutional>()) {
    require(in.channels % conv->groups == 0 && conv->filters % conv->groups == 0, place,
            "{}: groups should divide {} input channels and {} filters, got {}", layer.name,
            in.channels, conv->filters, conv->groups);
    const auto weights =
        std::int64_t{conv->filters} * (in.channels / conv->groups) * conv->size * conv->size;
    require(weights < std::int64_t{1} << 31, place, "{} should have less than 2^31 weights, got {}",
            layer.name, weights);
    slide(conv->size, conv->stride, 2 * conv->padding);
    out.channels = conv->filters;
  } else if (const auto* pool = layer.as<MaxPool>()) {
    slide(pool->size, pool->stride, pool->padding);
  } else if (const auto* up = layer.as<Upsample>()) {
    out.height *= up->stride;
    out.width *= up->stride;
  } else if (layer.as<Shortcut>()) {
    const Shape other = graph.shape(layer.inputs.back());
    require(in == other, place,
            "{}: both inputs should have one shape, got {} (layer {}) and {} (layer {})",
            layer.name, show(in), layer.inputs.front(), show(other), layer.inputs.back());
  } else if (const auto* route = layer.as<Route>()) {
    out.channels = 0;
    for (const int i : layer.inputs) {
      const Shape s = graph.shape(i);
      require(s.height == in.height && s.width == in.width, place,
              "{}: all inputs should be {} × {} cells as layer {}, got {} × {} of layer {}",
              layer.name, in.height, in.width, layer.inputs.front(), s.height, s.width, i);
      require(s.channels % route->groups == 0, place,
              "{}: groups should divide the {} channels of layer {}, got {}", layer.name,
              s.channels, i, route->groups);
      out.channels += s.channels / route->groups;
    }
  } else if (const auto* yolo = layer.as<Yolo>()) {
    const auto wanted = static_cast<std::int64_t>(yolo->mask.size()) * (5 + yolo->classes);
    require(in.channels == wanted, place,
            "{} should read {} channels = {} anchors × (5 + {} classes), got {} from layer {}",
            layer.name, wanted, yolo->mask.size(), yolo->classes, in.channels,
            layer.inputs.front());
  }
  const int largest = 1 << 20;
  require(out.channels <= largest && out.height <= largest && out.width <= largest, place,
          "{} should make at most {} of anything, got {}", layer.name, largest, show(out));
  return out;
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
