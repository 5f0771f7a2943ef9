#pragma once

/// @file
/// ONNX read again, by the schema, and computed in plain LibTorch: what tests compare models with.
/// It knows the operators that are written, and refuses any other.

#include "serpette/torch/nn.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace serpette::test {

/// Fields of a protobuf message, by number, in their order. A varint is kept as a number, anything
/// else as its bytes.
class ProtoFields {
 public:
  explicit ProtoFields(std::string_view bytes) {
    std::size_t at = 0;
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.at(at++));
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < bytes.size()) {
      const auto tag = varint();
      const auto number = static_cast<int>(tag >> 3);
      switch (tag & 7) {
        case 0:
          numbers_[number].push_back(static_cast<std::int64_t>(varint()));
          break;
        case 2: {
          const auto size = varint();
          if (size > bytes.size() - at) throw std::runtime_error("a field ends behind its message");
          texts_[number].push_back(bytes.substr(at, size));
          at += size;
          break;
        }
        case 5:
          texts_[number].push_back(bytes.substr(at, 4));
          at += 4;
          break;
        default:
          throw std::runtime_error("a field of an unknown kind");
      }
    }
  }

  [[nodiscard]] std::vector<std::string_view> all(int field) const {
    const auto found = texts_.find(field);
    return found == texts_.end() ? std::vector<std::string_view>() : found->second;
  }
  [[nodiscard]] std::string text(int field) const { return std::string(all(field).at(0)); }
  [[nodiscard]] std::int64_t integer(int field) const { return numbers_.at(field).at(0); }
  [[nodiscard]] float number(int field) const {
    float value = 0;
    std::memcpy(&value, all(field).at(0).data(), sizeof value);
    return value;
  }
  /// A packed list.
  [[nodiscard]] std::vector<std::int64_t> integers(int field) const {
    std::vector<std::int64_t> list;
    const auto found = all(field);
    if (found.empty()) return list;
    std::uint64_t value = 0;
    int shift = 0;
    for (const char c : found.front()) {
      const auto byte = static_cast<unsigned char>(c);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      list.push_back(static_cast<std::int64_t>(value));
      value = 0;
      shift = 0;
    }
    return list;
  }

 private:
  std::map<int, std::vector<std::int64_t>> numbers_;
  std::map<int, std::vector<std::string_view>> texts_;
};

/// A model read from its bytes, which must outlive it.
class OnnxReader {
 public:
  explicit OnnxReader(std::string_view bytes) : model_(bytes), graph_(model_.all(7).at(0)) {
    for (const auto tensor : graph_.all(5)) {
      const ProtoFields t(tensor);
      auto dims = t.integers(1);
      const auto raw = t.all(9).at(0);
      const auto type = t.integer(2) == 1 ? at::kFloat : at::kLong;
      auto value = at::empty(dims, type);
      if (t.integer(2) != 1 && t.integer(2) != 7) throw std::runtime_error("element type");
      if (value.nbytes() != raw.size()) throw std::runtime_error("size of a tensor");
      std::memcpy(value.mutable_data_ptr(), raw.data(), raw.size());
      constants_[t.text(8)] = value;
    }
  }

  [[nodiscard]] std::vector<std::string> outputs() const {
    std::vector<std::string> names;
    for (const auto output : graph_.all(12)) names.push_back(ProtoFields(output).text(1));
    return names;
  }
  [[nodiscard]] std::int64_t format() const { return model_.integer(1); }
  [[nodiscard]] std::int64_t opset() const { return ProtoFields(model_.all(8).at(0)).integer(2); }
  /// Operators, in order.
  [[nodiscard]] std::vector<std::string> operators() const {
    std::vector<std::string> found;
    for (const auto node : graph_.all(1)) found.push_back(ProtoFields(node).text(4));
    return found;
  }
  [[nodiscard]] std::string note(std::string_view key) const {
    for (const auto note : model_.all(14))
      if (ProtoFields(note).text(1) == key) return ProtoFields(note).text(2);
    return {};
  }

  /// The outputs, in order.
  [[nodiscard]] std::vector<at::Tensor> run(const at::Tensor& images) const {
    const at::NoGradGuard no_grad;
    auto values = constants_;
    values[""] = at::Tensor();
    values[ProtoFields(graph_.all(11).at(0)).text(1)] = images;
    for (const auto bytes : graph_.all(1)) {
      const ProtoFields node(bytes);
      std::map<std::string, ProtoFields> attributes;
      for (const auto a : node.all(5)) attributes.emplace(ProtoFields(a).text(1), ProtoFields(a));
      std::vector<at::Tensor> in;
      for (const auto name : node.all(1)) in.push_back(values.at(std::string(name)));
      const auto out = compute(node.text(4), in, attributes);
      const auto names = node.all(2);
      if (names.size() != out.size()) throw std::runtime_error("number of outputs");
      for (std::size_t i = 0; i < out.size(); ++i)
        if (!values.emplace(std::string(names[i]), out[i]).second)
          throw std::runtime_error("a value is made twice: " + std::string(names[i]));
    }
    std::vector<at::Tensor> found;
    for (const auto& name : outputs()) found.push_back(values.at(name));
    return found;
  }

 private:
  using Attributes = std::map<std::string, ProtoFields>;

  static std::vector<std::int64_t> list(const at::Tensor& t) {
    return {t.const_data_ptr<std::int64_t>(), t.const_data_ptr<std::int64_t>() + t.numel()};
  }

  static std::vector<at::Tensor> compute(const std::string& op, const std::vector<at::Tensor>& in,
                                         const Attributes& attributes) {
    const auto integers = [&](const char* name) { return attributes.at(name).integers(8); };
    const auto integer = [&](const char* name) { return attributes.at(name).integer(3); };
    const auto& x = in.at(0);
    if (op == "Conv") {
      const auto pads = integers("pads");
      return {at::conv2d(x, in.at(1), in.size() > 2 ? in[2] : at::Tensor(), integers("strides"),
                         at::IntArrayRef{pads.at(0), pads.at(1)}, at::IntArrayRef{1, 1},
                         integer("group"))};
    }
    if (op == "BatchNormalization")
      return {at::batch_norm(x, in.at(1), in.at(2), in.at(3), in.at(4), false, 0,
                             attributes.at("epsilon").number(2), false)};
    if (op == "LeakyRelu") return {at::leaky_relu(x, attributes.at("alpha").number(2))};
    if (op == "Relu") return {x.relu()};
    if (op == "Sigmoid") return {x.sigmoid()};
    if (op == "Softplus") return {at::log1p(at::exp(x))};
    if (op == "Tanh") return {x.tanh()};
    if (op == "Exp") return {x.exp()};
    if (op == "Mul") return {x.mul(in.at(1))};
    if (op == "Add") return {x.add(in.at(1))};
    if (op == "Sub") return {x.sub(in.at(1))};
    if (op == "Min") return {at::minimum(x, in.at(1))};
    if (op == "Max") return {at::maximum(x, in.at(1))};
    if (op == "Identity") return {x};
    if (op == "Concat") return {at::cat(in, integer("axis"))};
    if (op == "Transpose") return {x.permute(integers("perm")).contiguous()};
    if (op == "Split") return split(x, list(in.at(1)), integer("axis"));
    if (op == "Reshape") {
      auto dims = list(in.at(1));
      for (std::size_t i = 0; i < dims.size(); ++i)
        if (dims[i] == 0) dims[i] = x.size(static_cast<std::int64_t>(i));
      return {x.reshape(dims)};
    }
    if (op == "Slice")
      return {x.slice(list(in.at(3)).at(0), list(in.at(1)).at(0), list(in.at(2)).at(0))};
    if (op == "Pad") return {padded(x, list(in.at(1)), in.size() > 2 ? in[2].item<float>() : 0)};
    if (op == "Resize") {
      const auto* scales = in.at(2).const_data_ptr<float>();
      return {x.repeat_interleave(static_cast<std::int64_t>(scales[2]), 2)
                  .repeat_interleave(static_cast<std::int64_t>(scales[3]), 3)};
    }
    if (op == "MaxPool") {
      const auto pads = integers("pads"), size = integers("kernel_shape");
      for (std::size_t i = 0; i < pads.size(); ++i)
        if (pads[i] >= size[i % 2]) throw std::runtime_error("padding of a whole window");
      const auto y = padded(x, {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}, -INFINITY);
      return {at::max_pool2d(y, size, integers("strides"))};
    }
    if (op == "Gather") return {x.index_select(integer("axis"), in.at(1))};
    if (op == "GatherND") {
      c10::List<std::optional<at::Tensor>> columns;
      for (std::int64_t c = 0; c < in.at(1).size(1); ++c) columns.push_back(in[1].select(1, c));
      return {x.index(columns)};
    }
    if (op == "Squeeze") return {x.squeeze(list(in.at(1)).at(0))};
    if (op == "NonMaxSuppression") return {suppressed(in)};
    throw std::runtime_error("operator " + op);
  }

  static std::vector<at::Tensor> split(const at::Tensor& x, const std::vector<std::int64_t>& sizes,
                                       std::int64_t axis) {
    std::vector<at::Tensor> parts;
    std::int64_t first = 0;
    for (const auto size : sizes) {
      parts.push_back(x.narrow(axis, first, size));
      first += size;
    }
    return parts;
  }

  static at::Tensor padded(const at::Tensor& x, const std::vector<std::int64_t>& pads,
                           double value) {
    std::vector<std::int64_t> reversed;  // LibTorch: last axis first, (before, after)
    for (int axis = 3; axis >= 0; --axis) {
      reversed.push_back(pads.at(static_cast<std::size_t>(axis)));
      reversed.push_back(pads.at(static_cast<std::size_t>(axis) + 4));
    }
    return at::constant_pad_nd(x, reversed, value);
  }

  /// As the operator's page says, greedily.
  static at::Tensor suppressed(const std::vector<at::Tensor>& in) {
    const auto boxes = in.at(0).contiguous(), scores = in.at(1).contiguous();
    const auto most = in.at(2).item<std::int64_t>();
    const double overlap = in.at(3).item<float>(), least = in.at(4).item<float>();
    const auto b = boxes.accessor<float, 3>();
    const auto s = scores.accessor<float, 3>();
    std::vector<std::int64_t> rows;
    for (std::int64_t n = 0; n < scores.size(0); ++n)
      for (std::int64_t c = 0; c < scores.size(1); ++c) {
        const auto order = std::get<1>(scores[n][c].sort(true, 0, true));
        std::vector<std::int64_t> kept;
        for (std::int64_t k = 0; k < order.size(0); ++k) {
          const auto i = order[k].item<std::int64_t>();
          if (!(s[n][c][i] > least) || static_cast<std::int64_t>(kept.size()) == most) break;
          const auto iou = [&](std::int64_t j) {
            const double w = std::min(b[n][i][2], b[n][j][2]) - std::max(b[n][i][0], b[n][j][0]),
                         h = std::min(b[n][i][3], b[n][j][3]) - std::max(b[n][i][1], b[n][j][1]);
            const auto area = [&](std::int64_t k2) {
              return double(b[n][k2][2] - b[n][k2][0]) * double(b[n][k2][3] - b[n][k2][1]);
            };
            const double both = std::max(w, 0.0) * std::max(h, 0.0);
            const double any = area(i) + area(j) - both;
            return any > 0 ? both / any : 0;
          };
          if (std::ranges::any_of(kept, [&](auto j) { return iou(j) > overlap; })) continue;
          kept.push_back(i);
          rows.insert(rows.end(), {n, c, i});
        }
      }
    return at::tensor(rows, at::kLong).view({-1, 3});
  }

  ProtoFields model_, graph_;
  std::map<std::string, at::Tensor> constants_;
};

}  // namespace serpette::test
