#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace serpette {

enum class Activation {
  kLinear,
  kLeaky,
  kRelu,
  kLogistic,  ///< σ(x)
  kMish,      ///< x·tanh(ln(1 + eˣ))
  kSwish,     ///< x·σ(x), also called SiLU.
};

/// Whether it is made of two straight lines, which kernels apply in passing.
constexpr bool is_piecewise_linear(Activation activation) {
  return activation == Activation::kLinear || activation == Activation::kLeaky ||
         activation == Activation::kRelu;
}

/// Whether a silent channel stays silent behind it.
constexpr bool is_zero_at_zero(Activation activation) {
  return activation != Activation::kLogistic;
}

/// Slope of darknet's leaky activation on the negative side.
inline constexpr double kLeakySlope = 0.1;

/// Slope below zero of an activation that is made of two straight lines; above zero it is 1.
constexpr double slope_of(Activation activation) {
  return activation == Activation::kLeaky ? kLeakySlope : activation == Activation::kRelu ? 0 : 1;
}

/// Added to the variance by every batch norm, as in darknet's reference implementations.
inline constexpr double kBatchNormEpsilon = 1e-5;

/// Bias-free convolution + batch norm, or convolution + bias; then the activation.
struct Convolutional {
  int filters = 1, size = 1, stride = 1, padding = 0, groups = 1;
  bool batch_normalize = false;
  Activation activation = Activation::kLogistic;
};
/// Elementwise sum of the two inputs, then the activation. Where one input is wider, what both have
/// is added and the output is as wide as the first, as in darknet.
struct Shortcut {
  Activation activation = Activation::kLinear;

  /// How many channels are added.
  static constexpr int shared(int first, int other) { return first < other ? first : other; }
};
/// Concatenation of the inputs along channels; of each input only the `group_id`-th of `groups`
/// equal parts.
struct Route {
  int groups = 1, group_id = 0;

  /// Channels [first, first + count) of an input.
  struct Channels {
    int first, count;
  };
  /// Those it takes of an input with `channels` channels.
  [[nodiscard]] constexpr Channels taken(int channels) const {
    const int count = channels / groups;
    return {count * group_id, count};
  }
  /// The same of a list with an entry per channel.
  template <class List>
  [[nodiscard]] List part_of(const List& channels) const {
    const auto [first, count] = taken(static_cast<int>(channels.size()));
    return {channels.begin() + first, channels.begin() + first + count};
  }
};
/// Nearest-neighbour enlargement.
struct Upsample {
  int stride = 2;
};
/// Darknet's max-pool: `padding` cells of −∞ in total on each axis, padding / 2 of them before.
struct MaxPool {
  int size = 2, stride = 2, padding = 1;
};
/// The product of the two inputs: gates on the channels that they gate. The second input is as wide
/// as the first, and as large, or where `by_channel` (squeeze and excitation) the first has one
/// cell that scales all cells of its channel.
struct Product {
  bool by_channel = false;
};
/// The mean of each channel over all cells.
struct GlobalAverage {};
/// A detection head: reads raw logits [N, A·(5 + classes), H, W], channel a·(5 + C) + {tx, ty, tw,
/// th, obj, class…}.
struct Yolo {
  std::vector<std::array<float, 2>>
      anchors;            ///< All anchors of the network (w, h) [pixels of the canvas].
  std::vector<int> mask;  ///< Which of them this head predicts.
  int classes = 80;
  float ignore_thresh =
      0.5F;  ///< A prediction whose IoU with some truth exceeds it is no negative example.
  float truth_thresh = 1.0F;
  /// s: a box's centre in its cell is s·σ(t) − (s − 1)/2, so that it reaches the edges (YOLOv4).
  float scale_x_y = 1.0F;
  /// Sizes are anchor · (2σ(t))² where true (YOLOv4-csp, YOLOv7), else anchor · exp(t).
  bool new_coords = false;
};

/// What a layer does. A new kind of layer joins here; what is done *over* layers is a set of
/// overloads (`visit`), so nothing compiles until each of them says what it makes of the new kind.
using Operation =
    std::variant<Convolutional, Shortcut, Route, Upsample, MaxPool, Yolo, Product, GlobalAverage>;

/// For an overload that several kinds share: it names them, so that a new kind is never one of them
/// by accident.
template <class Kind, class... Kinds>
concept OneOf = (std::same_as<Kind, Kinds> || ...);

struct Shape {
  int channels = 0, height = 0, width = 0;
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// Index that stands for the network's image where a layer's input is meant.
inline constexpr int kImage = -1;

struct Layer {
  std::string
      name;  ///< kind_index, e.g. "conv_7"; index as in darknet (the [net] section does not count).
  Operation operation;
  std::vector<int>
      inputs;  ///< Indices of the layers read, each below this layer's own; kImage for the image.
  Shape output;
  int line = 0;  ///< Where the cfg file declares it, 1-based; 0 if made in memory.
  /// Settings of its cfg section that serpette does not interpret (a head's `jitter` and `random`),
  /// key = value: they go with the layer, so that darknet can train on what is saved.
  std::vector<std::pair<std::string, std::string>> carried = {};

  /// The layer's settings if it is of this kind, else null.
  template <class Kind>
  [[nodiscard]] const Kind* as() const {
    return std::get_if<Kind>(&operation);
  }
  template <class Kind>
  [[nodiscard]] Kind* as() {
    return std::get_if<Kind>(&operation);
  }
};

namespace detail {
template <class... Overloads>
struct Overloaded : Overloads... {
  using Overloads::operator()...;
};
template <class... Overloads>
Overloaded(Overloads...) -> Overloaded<Overloads...>;
}  // namespace detail

namespace req {
/// A set of overloads has one for this kind of layer.
template <class Overloads, class Kind>
concept HasOverloadFor = std::invocable<Overloads, Kind>;
}  // namespace req

namespace detail {
template <class Overloads, class Kind>
consteval bool has_overload() {
  static_assert(req::HasOverloadFor<Overloads, Kind>,
                "what is done over layers should have an overload for every kind of layer, or name "
                "the kinds that share one by OneOf<…>");
  return req::HasOverloadFor<Overloads, Kind>;
}
/// Whether there is one for every kind; `AnyOperation` is const or not.
template <class Overloads, class AnyOperation>
inline constexpr bool has_every_overload = [] {
  using Kinds = std::remove_const_t<AnyOperation>;
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return (has_overload<Overloads, decltype(std::get<I>(std::declval<AnyOperation&>()))>() && ...);
  }(std::make_index_sequence<std::variant_size_v<Kinds>>());
}();
}  // namespace detail

/// Calls, of a set of overloads, the one for the layer's kind:
///   visit(layer, [&](const Convolutional& c) { … }, [&](const OneOf<Upsample, Yolo> auto&) { … })
/// A kind without an overload is a compile error that says so in one sentence.
/// @param layer  const or not; the overload gets a reference to its operation.
template <class AnyLayer, class... Overloads>
  requires std::same_as<std::remove_const_t<AnyLayer>, Layer>
decltype(auto) visit(AnyLayer& layer, Overloads&&... overloads) {
  using Set = decltype(detail::Overloaded{std::forward<Overloads>(overloads)...});
  if constexpr (detail::has_every_overload<Set,
                                           std::remove_reference_t<decltype((layer.operation))>>)
    return std::visit(Set{std::forward<Overloads>(overloads)...}, layer.operation);
}

/// The typed layer graph of a darknet network, in execution order: what forward, masks, compaction,
/// attribution and the cfg writer all read. Holds no tensor.
struct Graph {
  Shape input{3, 416, 416};
  std::vector<Layer> layers;
  /// Every key = value of [net] as read, so that a rewritten cfg keeps what serpette does not
  /// interpret.
  std::vector<std::pair<std::string, std::string>> net;

  [[nodiscard]] const Layer& operator[](int index) const {
    return layers[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] int size() const { return static_cast<int>(layers.size()); }

  /// Shape of what `index` produces; the image's for kImage.
  [[nodiscard]] const Shape& shape(int index) const {
    return index == kImage ? input : (*this)[index].output;
  }

  /// Indices of all layers of one kind, ascending.
  template <class Kind>
  [[nodiscard]] std::vector<int> all() const {
    std::vector<int> found;
    for (int i = 0; i < size(); ++i)
      if ((*this)[i].as<Kind>()) found.push_back(i);
    return found;
  }
  [[nodiscard]] std::vector<int> convolutions() const { return all<Convolutional>(); }
  [[nodiscard]] std::vector<int> heads() const { return all<Yolo>(); }

  /// Settings of a layer that is known to be a convolution, or a head.
  [[nodiscard]] const Convolutional& convolution(int index) const {
    return std::get<Convolutional>((*this)[index].operation);
  }
  [[nodiscard]] const Yolo& head(int index) const {
    return std::get<Yolo>((*this)[index].operation);
  }

  /// Number of classes, from the first head; 0 without heads.
  [[nodiscard]] int classes() const {
    const auto found = heads();
    return found.empty() ? 0 : head(found.front()).classes;
  }
};

/// Shape [C_out, C_in / groups, k, k] of a convolution's weight.
inline std::array<std::int64_t, 4> weight_shape(const Graph& graph, int index) {
  const auto& conv = graph.convolution(index);
  const int in = graph.shape(graph[index].inputs.front()).channels;
  return {conv.filters, in / conv.groups, conv.size, conv.size};
}

}  // namespace serpette
