#include "serpette/app/ready_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <optional>
#include <utility>

#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/plan_file.hpp"

namespace serpette::cli {

struct ReadyPlan::Holder {
  deploy::Plan plan;
};

ReadyPlan ReadyPlan::make(const Yolov3& detector, deploy::PlanLabels labels,
                          deploy::PlanPrecision precision, std::optional<deploy::Ranges> ranges) {
  auto plan = std::make_shared<Holder>(
      Holder{deploy::make_plan(detector, {.precision = precision, .ranges = std::move(ranges)})});
  plan->plan.labels = std::move(labels);
  return ReadyPlan(std::move(plan));
}
ReadyPlan ReadyPlan::by_model(const Yolov3& detector) {
  return ReadyPlan(
      std::make_shared<Holder>(Holder{deploy::make_plan(detector, {.measure = false})}));
}
void ReadyPlan::require_precision(deploy::PlanPrecision precision, const std::string& place) {
  deploy::require_precision(precision, place);
}
ReadyPlan ReadyPlan::load(const std::filesystem::path& path) {
  return ReadyPlan(std::make_shared<Holder>(Holder{deploy::load_plan(path)}));
}
void ReadyPlan::save(const std::filesystem::path& path) const {
  deploy::save_plan(plan_->plan, path);
}
const Graph& ReadyPlan::graph() const { return plan_->plan.graph(); }
const std::vector<deploy::LayerChoice>& ReadyPlan::choices() const { return plan_->plan.choices(); }
const deploy::PlanLabels& ReadyPlan::labels() const { return plan_->plan.labels; }
std::vector<at::Tensor> ReadyPlan::forward(const at::Tensor& images) const {
  return plan_->plan.forward(images);
}
bool ReadyPlan::has_work(int layer) const { return plan_->plan.has_work(layer); }
std::vector<std::vector<std::string>> ReadyPlan::chains() const {
  std::vector<std::vector<std::string>> all;
  for (const auto& chain : plan_->plan.chains()) {
    auto& names = all.emplace_back();
    for (const int i : chain.convolutions) names.push_back(graph()[i].name);
  }
  return all;
}
std::vector<double> ReadyPlan::layer_seconds(const at::Tensor& image) const {
  return plan_->plan.layer_seconds(image);
}
std::string ReadyPlan::cpu() { return deploy::cpu_kind(); }

std::string forms_text(const std::vector<deploy::LayerChoice>& choices) {
  std::map<std::string, int> counts;
  for (const auto& choice : choices) ++counts[choice.form];
  std::vector<std::string> parts;
  for (const auto& [form, count] : counts) parts.push_back(fmt::format("{} {}", count, form));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace serpette::cli
