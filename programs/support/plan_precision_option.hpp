#pragma once

#include <CLI/CLI.hpp>

#include <filesystem>
#include <optional>

#include "serpette/app/cli.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/data/image_list.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/detector/yolov3.hpp"
#include "support/calibrate.hpp"

namespace serpette::cli {

/// --precision of a plan that a program makes, and --calibrate, which int8 needs.
struct PlanPrecisionOption {
  std::optional<deploy::PlanPrecision> precision;
  std::filesystem::path pictures;

  void add_to(CLI::App& app) {
    add_choice(
        app, "--precision", precision,
        "Of products in dense layers. bf16: 0.55 of the time for less than 0.01 of AP50, where "
        "the CPU has AVX512-BF16, 0.3 with AMX;\nint8: faster still, where it has AVX512-VNNI and "
        "--calibrate gives it pictures. Default: f32");
    app.add_option("--calibrate", pictures,
                   "int8: a folder of pictures like those that the plan will see; 64 of them are "
                   "looked at");
  }

  [[nodiscard]] bool is_given() const { return precision || !pictures.empty(); }
  [[nodiscard]] deploy::PlanPrecision chosen() const {
    return precision.value_or(deploy::PlanPrecision::kFloat32);
  }

  /// @throws Error  for int8 without pictures, or pictures without int8.
  void check() const {
    const bool wants = chosen() == deploy::PlanPrecision::kInt8;
    require(wants == !pictures.empty(), "--calibrate",
            "should name a folder of pictures {} --precision int8, got {}",
            wants ? "for" : "only with", wants ? "none" : pictures.string());
  }

  /// The ranges that int8 needs; none for another precision.
  [[nodiscard]] std::optional<deploy::Ranges> ranges(const Yolov3& detector, bool greyscale) const {
    if (pictures.empty()) return std::nullopt;
    return calibrate(detector, list_images(pictures), folder_of(pictures), greyscale);
  }
};

}  // namespace serpette::cli
