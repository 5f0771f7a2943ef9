#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/deploy/choices.hpp"
#include "serpette/deploy/plan_labels.hpp"
#include "serpette/deploy/plan_precision.hpp"
#include "serpette/deploy/quantization.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::cli {

/// A deployment plan as programs use it. Compiled once for all of them: the kernels behind it take
/// a minute in every file that sees them.
class ReadyPlan {
 public:
  /// A plan of a network on this machine.
  /// @param labels  what goes with it into a file.
  /// @param ranges  of int8 (calibrate.hpp).
  /// @throws Error  for a precision that the machine has not.
  static ReadyPlan make(const Yolov3& detector, deploy::PlanLabels labels = {},
                        deploy::PlanPrecision precision = {},
                        std::optional<deploy::Ranges> ranges = {});
  /// The same in float, its forms chosen by the model of the machine alone: each time the same,
  /// so that what it computes is, too.
  static ReadyPlan by_model(const Yolov3& detector);
  /// @throws Error  for a precision that the machine has not: before all that comes before a plan.
  static void require_precision(deploy::PlanPrecision precision, const std::string& place);
  /// @throws Error  as deploy::load_plan.
  static ReadyPlan load(const std::filesystem::path& path);

  void save(const std::filesystem::path& path) const;

  [[nodiscard]] const Graph& graph() const;
  [[nodiscard]] const std::vector<deploy::LayerChoice>& choices() const;
  [[nodiscard]] const deploy::PlanLabels& labels() const;
  [[nodiscard]] std::vector<at::Tensor> forward(const at::Tensor& images) const;
  /// As deploy::Execution::has_work.
  [[nodiscard]] bool has_work(int layer) const;
  /// Names of the convolutions of each of deploy::Execution::chains.
  [[nodiscard]] std::vector<std::vector<std::string>> chains() const;
  /// As deploy::PlanOf::layer_seconds.
  [[nodiscard]] std::vector<double> layer_seconds(const at::Tensor& image) const;
  /// The kind of CPU that plans are made for here.
  static std::string cpu();

 private:
  struct Holder;
  explicit ReadyPlan(std::shared_ptr<Holder> plan) : plan_(std::move(plan)) {}

  std::shared_ptr<Holder> plan_;
};

/// How many convolutions have each form, as text: "7 winograd, 68 weights".
std::string forms_text(const std::vector<deploy::LayerChoice>& choices);

}  // namespace serpette::cli
