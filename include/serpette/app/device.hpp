#pragma once

#include <c10/core/Device.h>
#include <torch/cuda.h>

#include <string>

#include "serpette/core/contract.hpp"
#include "serpette/core/reproducible.hpp"

namespace serpette::cli {

/// "auto" is the GPU where there is one. What a GPU computes is made reproducible.
/// @throws Error  if the name is none, or the device is not there.
inline at::Device parse_device(const std::string& name) {
  make_reproducible();
  const auto count =
      torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  if (name == "auto") return count > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (name == "cpu") return at::kCPU;
  require(name == "cuda" || name.starts_with("cuda:"), "--device",
          "should be auto, cpu, cuda or cuda:N, got \"{}\"", name);
  const auto digits = name == "cuda" ? std::string("0") : name.substr(5);
  require(!digits.empty() && digits.size() < 4 &&
              digits.find_first_not_of("0123456789") == std::string::npos,
          "--device", "should be cuda:N with a number, got \"{}\"", name);
  require(count > 0, "--device", "should be auto or cpu, since no CUDA device is here; got \"{}\"",
          name);
  const int index = std::stoi(digits);
  require(index < count, "--device", "should be one of the {} CUDA devices here, got \"{}\"", count,
          name);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace serpette::cli
