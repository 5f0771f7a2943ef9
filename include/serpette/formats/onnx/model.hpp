#pragma once

/// @file
/// An ONNX model as it is put together: constants, nodes, inputs and outputs. No LibTorch.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/formats/onnx/protobuf.hpp"

namespace serpette::onnx {

/// The operator set that every node is of, and the version of the file format. Every engine of the
/// last five years reads both (OpenCV from 4.5.5, ONNX Runtime from 1.8).
inline constexpr int kOpset = 13, kFormat = 7;

/// Extents of a tensor; a word stands for one that is only known when the model runs.
using Dims = std::vector<std::variant<std::int64_t, std::string>>;

enum class Element : int { kFloat = 1, kInt64 = 7 };

/// A setting of a node.
struct Attribute {
  std::string_view name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};

/// A model that grows node by node. A value is known by its name; a node must come after those that
/// it reads.
/// Source of the field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
class Model {
 public:
  static_assert(std::endian::native == std::endian::little, "ONNX stores numbers little-endian");

  /// Floats that are not copied: they must live until `bytes`.
  std::string weights(std::string name, std::span<const std::int64_t> dims,
                      std::span<const float> values) {
    auto tensor = head_of_tensor(name, dims, Element::kFloat);
    constants_.push_back(std::move(tensor.borrowed(9, std::as_bytes(values))));
    return name;
  }
  /// Floats that are copied.
  std::string floats(std::string name, std::span<const std::int64_t> dims,
                     std::span<const float> values) {
    return copied(std::move(name), dims, Element::kFloat, std::as_bytes(values));
  }
  /// A list of whole numbers.
  std::string integers(std::string name, std::span<const std::int64_t> values) {
    const std::int64_t count[] = {static_cast<std::int64_t>(values.size())};
    return copied(std::move(name), count, Element::kInt64, std::as_bytes(values));
  }

  /// An operator of the standard set.
  /// @param inputs   names of values; "" for an optional one that is left out.
  /// @param outputs  names that it gives; the first is also the node's own.
  /// @return         the first output.
  std::string node(std::string_view op, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& outputs,
                   const std::vector<Attribute>& attributes = {}) {
    detail::ProtoMessage node;
    for (const auto& name : inputs) node.text(1, name);
    for (const auto& name : outputs) node.text(2, name);
    node.text(3, outputs.front()).text(4, op);
    for (const auto& attribute : attributes) node.message(5, message_of(attribute));
    nodes_.push_back(std::move(node));
    return outputs.front();
  }

  void input(std::string_view name, const Dims& dims) {
    inputs_.push_back(message_of(name, dims, Element::kFloat));
  }
  void output(std::string_view name, const Dims& dims, Element element = Element::kFloat) {
    outputs_.push_back(message_of(name, dims, element));
  }

  /// A text that goes with the model, under a key.
  void note(std::string_view key, std::string_view value) {
    notes_.push_back(std::move(detail::ProtoMessage().text(1, key).text(2, value)));
  }

  /// The bytes of a .onnx file; the model is used up.
  /// @param place    what an Error calls it.
  /// @throws Error   if it has 2 GiB or more, protobuf's limit.
  [[nodiscard]] std::string bytes(std::string_view name, std::string_view version,
                                  std::string_view place = "ONNX") && {
    detail::ProtoMessage graph;
    const auto add = [](detail::ProtoMessage& to, int field, auto& parts) {
      for (auto& part : parts) to.message(field, std::move(part));
    };
    add(graph, 1, nodes_);
    graph.text(2, name);
    add(graph, 5, constants_);
    add(graph, 11, inputs_);
    add(graph, 12, outputs_);
    detail::ProtoMessage model;
    model.integer(1, kFormat).text(2, "serpette").text(3, version).message(7, std::move(graph));
    model.message(8, std::move(detail::ProtoMessage().text(1, "").integer(2, kOpset)));
    add(model, 14, notes_);
    require(model.size() < std::size_t{1} << 31, place,
            "should have less than 2 GiB, as much as one ONNX file can hold; got {} bytes",
            model.size());
    return model.str();
  }

 private:
  static detail::ProtoMessage head_of_tensor(std::string_view name,
                                             std::span<const std::int64_t> dims, Element element) {
    detail::ProtoMessage tensor;
    tensor.integers(1, dims).integer(2, static_cast<int>(element)).text(8, name);
    return tensor;
  }
  std::string copied(std::string name, std::span<const std::int64_t> dims, Element element,
                     std::span<const std::byte> bytes) {
    auto tensor = head_of_tensor(name, dims, element);
    tensor.text(9, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    constants_.push_back(std::move(tensor));
    return name;
  }
  static detail::ProtoMessage message_of(const Attribute& attribute) {
    detail::ProtoMessage message;
    message.text(1, attribute.name);
    enum Type { kFloat = 1, kInt = 2, kText = 3, kInts = 7 };
    if (const auto* i = std::get_if<std::int64_t>(&attribute.value))
      message.integer(3, *i).integer(20, kInt);
    else if (const auto* f = std::get_if<float>(&attribute.value))
      message.number(2, *f).integer(20, kFloat);
    else if (const auto* s = std::get_if<std::string>(&attribute.value))
      message.text(4, *s).integer(20, kText);
    else if (const auto* list = std::get_if<std::vector<std::int64_t>>(&attribute.value))
      message.integers(8, *list).integer(20, kInts);
    return message;
  }
  static detail::ProtoMessage message_of(std::string_view name, const Dims& dims, Element element) {
    detail::ProtoMessage shape;
    for (const auto& dim : dims) {
      const auto* number = std::get_if<std::int64_t>(&dim);
      detail::ProtoMessage extent;
      if (number != nullptr)
        extent.integer(1, *number);
      else
        extent.text(2, std::get<std::string>(dim));
      shape.message(1, std::move(extent));
    }
    detail::ProtoMessage tensor, type, value;
    tensor.integer(1, static_cast<int>(element)).message(2, std::move(shape));
    type.message(1, std::move(tensor));
    value.text(1, name).message(2, std::move(type));
    return value;
  }

  std::vector<detail::ProtoMessage> nodes_, constants_, inputs_, outputs_, notes_;
};

}  // namespace serpette::onnx
