#pragma once

#include <c10/core/Device.h>
#include <fmt/format.h>
#include <torch/cuda.h>

#include <string>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/reproducible.hpp"

namespace serpette::cli {

/// What --help says of --device.
inline constexpr std::string_view kDeviceHelp =
    "auto, cpu, cuda or cuda:N; +tf32 behind a GPU: faster, less exact products";

/// Behind a GPU's name: products in TF32.
inline constexpr std::string_view kTf32 = "+tf32";

/// The name of the GPU of that number, for one of several processes that were given a name without
/// one: "cuda+tf32" is "cuda:1+tf32".
inline std::string numbered_gpu(std::string_view name, int number) {
  return fmt::format("cuda:{}{}", number, name.ends_with(kTf32) ? kTf32 : "");
}

/// "auto" is the GPU where there is one. What a GPU computes is made reproducible, in full
/// precision or, where the name ends in "+tf32", in TF32 (which says nothing where "auto" is the
/// CPU).
/// @throws Error  if the name is none, or the device is not there.
inline at::Device parse_device(std::string name) {
  const bool tf32 = name.ends_with(kTf32);
  make_reproducible(tf32);
  if (tf32) name.resize(name.size() - kTf32.size());
  require(!tf32 || name != "cpu", "--device", "should be without +tf32 on the CPU");
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
