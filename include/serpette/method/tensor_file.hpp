#pragma once

#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "serpette/core/fingerprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// The bytes of a file of tensors: LibTorch's format, and behind it its checksum.
inline std::string tensor_bytes(std::vector<at::Tensor> tensors) {
  for (auto& tensor : tensors) tensor = tensor.cpu();
  std::ostringstream out;
  torch::save(tensors, out);
  return sealed(std::move(out).str());
}

/// What `tensor_bytes` were written there; none if there is no such file, or it was damaged since.
inline std::optional<std::vector<at::Tensor>> read_tensors(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return std::nullopt;
  auto bytes = unsealed(read_file(file));
  if (!bytes) return std::nullopt;
  std::vector<at::Tensor> tensors;
  std::istringstream in(*std::move(bytes));
  torch::load(tensors, in);
  return tensors;
}

}  // namespace serpette
