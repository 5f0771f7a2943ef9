#pragma once

#include <c10/core/Device.h>
#include <c10/util/Exception.h>
#include <fmt/core.h>
#include <torch/cuda.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "serpette/core/contract.hpp"

namespace serpette::cli {

/// What `parse` throws after it has printed help or a mistake in the options.
struct Exit {
  int status;
};

/// Reads the command line. `--help` ends the program with status 0, a mistake with one message and status 2.
inline void parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    throw Exit{app.exit(error) == 0 ? 0 : 2};
  }
}

/// The frame of every program: bad input ends in one message and exit status 2.
/// @param body  returns nothing, or the exit status.
template <class Body>
int run_main(Body&& body) {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body&>>)
      body();
    else
      return body();
    return 0;
  } catch (const Exit& exit) {
    return exit.status;
  } catch (const Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  }
}

/// "auto" is the GPU where there is one.
/// @throws Error  if the name is none, or the device is not there.
inline at::Device parse_device(const std::string& name) {
  const auto count = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  if (name == "auto") return count > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (name == "cpu") return at::kCPU;
  require(name == "cuda" || name.starts_with("cuda:"), "--device", "should be auto, cpu, cuda or cuda:N, got \"{}\"", name);
  const auto digits = name == "cuda" ? std::string("0") : name.substr(5);
  require(!digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos,
          "--device", "should be cuda:N with a number, got \"{}\"", name);
  const int index = std::stoi(digits);
  require(index < count, "--device", "should be one of the {} CUDA devices here, got \"{}\"", count, name);
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace serpette::cli
