#pragma once

/// @file
/// Reads NumPy's uncompressed .npz files of little-endian floats: a zip of stored .npy members.

#include "serpette/torch/nn.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "serpette/io/read_file.hpp"

namespace serpette::test {

/// Every array of the file by name, as float tensors.
inline std::map<std::string, at::Tensor> read_npz(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, size);
    return static_cast<std::size_t>(value);
  };
  const auto end = bytes.rfind("PK\x05\x06");
  if (end == std::string::npos) throw std::runtime_error("no zip: " + path.string());
  std::map<std::string, at::Tensor> arrays;
  auto entry = number(end + 16, 4);  // of the central directory
  for (auto left = number(end + 10, 2); left > 0; --left) {
    if (number(entry + 10, 2) != 0) throw std::runtime_error("compressed: " + path.string());
    const auto name_length = number(entry + 28, 2), local = number(entry + 42, 4);
    auto name = bytes.substr(entry + 46, name_length);
    entry += 46 + name_length + number(entry + 30, 2) + number(entry + 32, 2);
    const auto npy = local + 30 + number(local + 26, 2) + number(local + 28, 2);
    const auto header_length = number(npy + 8, 2);
    const auto header = bytes.substr(npy + 10, header_length);
    if (header.find("'<f4'") == std::string::npos || header.find("False") == std::string::npos)
      throw std::runtime_error("should be '<f4' in C order: " + name);
    const auto open = header.find('(') + 1;
    std::istringstream list(header.substr(open, header.find(')') - open));
    std::vector<std::int64_t> shape;
    for (std::string part; std::getline(list, part, ',');)
      if (part.find_first_not_of(' ') != std::string::npos) shape.push_back(std::stoll(part));
    const auto array = at::empty(shape, at::kFloat);
    std::memcpy(array.mutable_data_ptr(), bytes.data() + npy + 10 + header_length, array.nbytes());
    arrays[name.substr(0, name.rfind('.'))] = array;
  }
  return arrays;
}

}  // namespace serpette::test
