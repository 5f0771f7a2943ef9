#pragma once

#include "serpette/torch/nn.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "serpette/formats/darknet/cfg.hpp"
#include "support/catch.hpp"

namespace serpette::test {

/// The golden case of tests/golden/model_heads.py.
struct GoldenHeads {
  nlohmann::json json;
  Graph graph;
  std::vector<at::Tensor> heads;  // double
  at::Tensor truth;

  GoldenHeads() {
    std::ifstream(file("golden/model_heads.json")) >> json;
    graph = parse_cfg(json["cfg"].get<std::string>(), "golden");
    for (std::size_t h = 0; h < 2; ++h) heads.push_back(like_head(h, json["heads"][h]));
    std::vector<double> rows;
    for (const auto& row : json["truth"])
      for (const auto& v : row) rows.push_back(v);
    truth = torch::tensor(rows, at::kDouble).view({-1, 6});
  }
  [[nodiscard]] at::Tensor like_head(std::size_t h, const nlohmann::json& numbers) const {
    const auto s = graph[graph.heads()[h]].output;
    return torch::tensor(numbers.get<std::vector<double>>(), at::kDouble)
        .view({-1, s.channels, s.height, s.width});
  }
  [[nodiscard]] at::Tensor vector(const char* key) const {
    return torch::tensor(json[key].get<std::vector<double>>(), at::kDouble);
  }
};

}  // namespace serpette::test
