// What pages of docs/ show of pruning and plans, as they show it: cut from here, and run.

// [your_pictures_includes]
#include <serpette/data/coco_folder.hpp>
#include <serpette/data/split.hpp>
#include <serpette/io/load_annotations.hpp>
// [your_pictures_includes]

#include <filesystem>

#include "serpette/data/drawn_data.hpp"
#include "serpette/deploy/calibration.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/deploy/plan_file.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/normalised.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace fs = std::filesystem;

namespace {

/// Pages name files as if one stood in their folder.
class StandingIn {
 public:
  explicit StandingIn(const fs::path& folder) : before_(fs::current_path()) {
    fs::current_path(folder);
  }
  ~StandingIn() { fs::current_path(before_); }
  StandingIn(const StandingIn&) = delete;
  StandingIn& operator=(const StandingIn&) = delete;

 private:
  fs::path before_;
};

const fs::path kNetwork = fs::path(SERPETTE_TESTS) / "../share/demo";

}  // namespace

TEST_CASE("pages on pruning and plans show what runs", "[deploy][pages]") {
  const serpette::test::Scratch folder;
  const StandingIn there(folder.path());
  fs::copy(kNetwork / "yolov3-slim.cfg", "own.cfg");
  fs::copy(kNetwork / "yolov3-slim.weights", "own.weights");
  // [prune]
  auto detector = serpette::Yolov3::load("own.cfg", "own.weights");
  serpette::ScoreMap scores;  // one tensor a convolution: here the weights themselves
  for (const int i : detector.graph().convolutions())
    scores.push_back(detector.layer(i).weight.detach().abs());
  const auto mask = serpette::make_mask(detector.graph(), scores, serpette::Ratio::percent(50),
                                        serpette::Filter{});
  const auto smaller = detector.compact(mask);  // equal to the masked network, to rounding
  auto plan = serpette::deploy::make_plan(smaller);
  // [prune]
  // [footprint]
  const auto left = serpette::parameters(smaller.graph());  // graph/footprint.hpp; macs() likewise
  const auto kept = serpette::count_kept(detector.graph(), mask, serpette::Filter{});
  // [footprint]
  CHECK(left < serpette::parameters(detector.graph()));
  CHECK(kept.filters > 0);
  CHECK(kept.weights > 0);

  const auto& in = smaller.graph().input;
  const auto images = at::rand({1, 3, in.height, in.width});
  // [plan]
  const auto heads = plan.forward(images);  // [N, 3, H, W] → raw logits of every head
  for (const auto& [layer, form, density] : plan.choices())
    fmt::print("{} as {}, {:.0f} % of its weights\n", layer, form, 100 * density);
  // [plan]
  CHECK(heads.size() == smaller.graph().heads().size());
  // [choices]
  serpette::write_file("plan.txt", serpette::deploy::write_choices(plan.choices()));
  const auto text = serpette::read_file("plan.txt");
  auto again = serpette::deploy::make_plan(
      smaller, {.choices = serpette::deploy::parse_choices(text, "plan.txt")});
  // [choices]
  CHECK(at::equal(again.forward(images)[0], heads[0]));
  // [file]
  plan.labels = {.class_names = {}, .greyscale = false};  // for those who have the file alone
  serpette::deploy::save_plan(plan, "network.plan");
  auto loaded = serpette::deploy::load_plan("network.plan");  // the same forms, the same bits
  // [file]
  CHECK(at::equal(loaded.forward(images)[0], heads[0]));

  if (serpette::deploy::has_bfloat16()) {
    // [bfloat16]
    auto halved = serpette::deploy::make_plan(
        smaller, {.precision = serpette::deploy::PlanPrecision::kBFloat16});
    // [bfloat16]
    CHECK(halved.precision() == serpette::deploy::PlanPrecision::kBFloat16);
  }
  if (serpette::deploy::has_int8()) {
    // [int8]
    serpette::deploy::Calibration calibration(smaller);
    calibration.observe(images);  // [N, 3, H, W], like those that it will see
    auto of_bytes = serpette::deploy::make_plan(
        smaller,
        {.precision = serpette::deploy::PlanPrecision::kInt8, .ranges = calibration.ranges()});
    // [int8]
    CHECK(of_bytes.precision() == serpette::deploy::PlanPrecision::kInt8);
  }
}

TEST_CASE("pages on pictures and scores show what runs", "[deploy][pages]") {
  const serpette::test::Scratch folder;
  const StandingIn there(folder.path());
  serpette::DrawnData{.train = 6, .test = 1}.write(folder.path());
  fs::rename("train/images", "images");
  fs::rename("train/instances.json", "instances.json");
  // [your_pictures]
  const auto all =
      serpette::load_annotations("instances.json");  // or a folder of XML, of labels, …
  const auto [train, rest] =
      serpette::split_fraction(all, 0.2, serpette::Seed(1));  // the same parts for the same seed

  const serpette::CocoFolder data(train, "images", {.width = 416, .height = 416});
  const serpette::ImageBatch batch = data.batch(std::vector<std::int64_t>{0, 1, 2});
  // [your_pictures]
  CHECK(batch.images.size(0) == 3);
  CHECK(train.images.size() + rest.images.size() == 6);
  // [scores]
  using namespace serpette;
  const DeepLift as_they_are{.target = Target::kDetection, .normalise = Normalise::kNone};
  const Normalised<Magnitude> levelled{.normalise = Normalise::kFilterAndInput};
  // [scores]
  CHECK(as_they_are.name != levelled.name);
}
