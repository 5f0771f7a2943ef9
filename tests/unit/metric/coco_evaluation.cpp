#include "serpette/metric/coco_evaluation.hpp"

#include "serpette/io/coco_json.hpp"
#include "serpette/io/detections.hpp"
#include "serpette/io/read_file.hpp"
#include "serpette/metric/coco_report.hpp"
#include "support/catch.hpp"

#include <bit>
#include <cstdlib>
#include <random>

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

namespace {

std::string fnv(const std::vector<double>& values) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const double value : values)
    for (auto bits = std::bit_cast<std::uint64_t>(value), i = std::uint64_t{0}; i < 8;
         ++i, bits >>= 8)
      hash = (hash ^ (bits & 0xff)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", hash);
}

/// pycocotools' array of a summary's: with the categories that have no truth, which are −1.
/// @param steps  [10 IoU][101 recall] or [10 IoU], as one.
std::vector<double> with_all_categories(const std::vector<double>& values, const CocoSummary& s,
                                        std::size_t steps, std::size_t categories) {
  constexpr std::size_t kEach = 12;  // [4 areas][3 max detections]
  std::vector<double> all(steps * categories * kEach, -1.0);
  for (std::size_t t = 0; t < steps; ++t)
    for (std::size_t row = 0; row < s.rows.size(); ++row)
      std::copy_n(
          values.begin() + static_cast<std::ptrdiff_t>((t * s.rows.size() + row) * kEach), kEach,
          all.begin() + static_cast<std::ptrdiff_t>((t * categories + s.rows[row]) * kEach));
  return all;
}

struct Case {
  Instances truth;
  std::vector<Detection> found;
};

Case parse(const json& c) {
  Case made;
  std::unordered_map<std::int64_t, int> category;
  for (const auto& id : c["images"]) made.truth.images.push_back({.id = id, .file_name = {}});
  for (const auto& id : c["categories"]) {
    category.emplace(id, static_cast<int>(category.size()));
    made.truth.categories.push_back({.id = id, .name = {}});
  }
  for (const auto& a : c["annotations"])
    made.truth.annotations.push_back(
        {a[0], a[1], category.at(a[2]), {a[3], a[4], a[5], a[6]}, a[7], a[8].get<int>() == 1});
  for (const auto& d : c["detections"])
    made.found.push_back({d[0], category.at(d[1]), d[6], {d[2], d[3], d[4], d[5]}});
  return made;
}

/// One image of one category with the given boxes.
Instances scene(const std::vector<Box>& boxes) {
  Instances truth{{{.id = 1, .file_name = "a.png", .width = 100, .height = 100}},
                  {},
                  {{.id = 1, .name = "thing"}}};
  for (const auto& box : boxes)
    truth.annotations.push_back({std::ssize(truth.annotations) + 1, 1, 0, box, box.area(), false});
  return truth;
}

}  // namespace

TEST_CASE("precision, recall and the 12 numbers equal pycocotools' to the last bit",
          "[metric][coco_evaluation][golden]") {
  const auto cases = json::parse(read_file(test::file("golden/coco_evaluation.json")));
  REQUIRE(cases.size() == 30);
  const int threads = GENERATE(1, 3);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const auto [truth, found] = parse(cases[i]);
    const auto summary = evaluate(truth, found, threads);
    const auto categories = truth.categories.size();
    CHECK(fnv(with_all_categories(summary.precision, summary, 1010, categories)) ==
          cases[i]["precision"].get<std::string>());
    CHECK(fnv(with_all_categories(summary.recall, summary, 10, categories)) ==
          cases[i]["recall"].get<std::string>());
    for (std::size_t n = 0; n < 12; ++n) {
      const auto [name, value] = summary.numbers()[n];
      CAPTURE(name);
      CHECK(value == std::strtod(cases[i]["numbers"][n].get<std::string>().c_str(), nullptr));
    }
  }
}

TEST_CASE("a scene worked out on paper", "[metric][coco_evaluation]") {
  // Two objects. Best detection right, second wrong, third right with IoU 0.8: at IoU 0.5 … 0.8
  // precision is 1 up to recall 0.5 (51 of 101 steps) and 2/3 beyond (50 steps); above 0.8 the
  // third is wrong as well.
  const auto truth = scene({{10, 10, 40, 40}, {60, 60, 20, 20}});
  const std::vector<Detection> found = {
      {1, 0, 0.9, {10, 10, 40, 40}}, {1, 0, 0.8, {0, 80, 10, 10}}, {1, 0, 0.7, {60, 60, 20, 16}}};
  const auto summary = evaluate(truth, found);
  const double both = (51 + 50 * 2.0 / 3) / 101, one = 51.0 / 101;
  CHECK(summary.AP50 == Catch::Approx(both).epsilon(1e-14));
  CHECK(summary.AP75 == Catch::Approx(both).epsilon(1e-14));
  CHECK(summary.AP == Catch::Approx((7 * both + 3 * one) / 10).epsilon(1e-14));
  CHECK(summary.AR1 == Catch::Approx(0.5));
  CHECK(summary.AR10 == Catch::Approx((7 * 1.0 + 3 * 0.5) / 10));
  CHECK(summary.APl == -1);  // no object above 96² pixels
  CHECK(summary.average_precision(0) == summary.AP);
}

TEST_CASE("nothing found scores 0, nothing to find scores -1", "[metric][coco_evaluation]") {
  CHECK(evaluate(scene({{10, 10, 40, 40}}), {}).AP == 0);
  const std::vector<Detection> found = {{1, 0, 0.9, {10, 10, 40, 40}}};
  CHECK(evaluate(scene({}), found).AP == -1);
  CHECK(evaluate(Instances{}, {}).AR100 == -1);
}

TEST_CASE("categories without truth cost nothing", "[metric][coco_evaluation]") {
  auto truth = scene({{10, 10, 40, 40}});
  for (int id = 2; id <= 16000; ++id) truth.categories.push_back({.id = id, .name = "other"});
  truth.annotations[0].category = 15999;
  const std::vector<Detection> found = {{1, 15999, 0.9, {10, 10, 40, 40}},
                                        {1, 3, 0.9, {10, 10, 40, 40}}};
  const auto summary = evaluate(truth, found);
  CHECK(summary.AP == Catch::Approx(1));
  CHECK(summary.average_precision(15999) == summary.AP);
  CHECK(summary.average_precision(3) == -1);
  CHECK(summary.precision.size() == std::size_t{10} * 101 * 12);
}

TEST_CASE("categories the annotations do not list are passed over", "[metric][coco_evaluation]") {
  const auto truth = scene({{10, 10, 40, 40}});
  std::vector<Detection> found = {{1, 0, 0.5, {10, 10, 40, 40}}};
  const auto before = evaluate(truth, found).AP;
  found.push_back({1, kUnknownCategory, 0.9, {0, 0, 5, 5}});
  found.push_back({1, 7, 0.9, {0, 0, 5, 5}});
  CHECK(evaluate(truth, found).AP == before);
}

TEST_CASE("id 0 is no match where annotations have ids, as in pycocotools",
          "[metric][coco_evaluation]") {
  auto truth = scene({{10, 10, 40, 40}, {60, 60, 20, 20}});
  const std::vector<Detection> found = {{1, 0, 0.9, {10, 10, 40, 40}},
                                        {1, 0, 0.8, {60, 60, 20, 20}}};
  CHECK(evaluate(truth, found).AP50 == Catch::Approx(1));
  truth.annotations[0].id = 0;
  CHECK(evaluate(truth, found).AR100 == Catch::Approx(0.5));
  for (auto& a : truth.annotations) a.id = 0;  // made in memory, never numbered
  CHECK(evaluate(truth, found).AP50 == Catch::Approx(1));
}

TEST_CASE("the order of images and of their detections does not matter without ties",
          "[metric][coco_evaluation]") {
  auto [truth, found] = parse(json::parse(read_file(test::file("golden/coco_evaluation.json")))[5]);
  for (std::size_t i = 0; i < found.size(); ++i) found[i].score = 1.0 / static_cast<double>(i + 2);
  const auto before = evaluate(truth, found);
  std::mt19937 random(7);
  std::ranges::shuffle(found, random);
  std::ranges::shuffle(truth.images, random);
  const auto after = evaluate(truth, found);
  CHECK(after.precision == before.precision);
  CHECK(after.recall == before.recall);
}

TEST_CASE("detections that fit no image are refused", "[metric][coco_evaluation]") {
  const auto truth = scene({{10, 10, 40, 40}});
  const std::vector<Detection> elsewhere = {{2, 0, 0.5, {0, 0, 1, 1}}};
  CHECK_THROWS_WITH(evaluate(truth, elsewhere), ContainsSubstring("got image 2"));
  const std::vector<Detection> nan = {{1, 0, std::nan(""), {0, 0, 1, 1}}};
  CHECK_THROWS_WITH(evaluate(truth, nan), ContainsSubstring("NaN"));
}

TEST_CASE("the report holds the 12 keys in full precision", "[metric][coco_report]") {
  const auto summary = evaluate(scene({{10, 10, 40, 40}, {60, 60, 20, 20}}),
                                std::vector<Detection>{{1, 0, 0.9, {10, 10, 40, 40}}});
  const auto read = json::parse(summary_json(summary));
  CHECK(read.size() == 12);
  for (const auto& [name, value] : summary.numbers())
    CHECK(read.at(std::string(name)).get<double>() == value);
}

TEST_CASE("real detections score as pycocotools says", "[metric][coco_evaluation][golden]") {
  const auto data = test::real_data();
  const auto truth = load_instances(data / "coco_dev" / "instances.json");
  const auto reference =
      json::parse(read_file(data / "oracle" / "summary.json"))["results"]["coco_dev"];
  const std::string threshold = GENERATE("0.001", "0.5");
  const auto found =
      read_detections(data / "oracle" / ("results_coco_dev_conf" + threshold + ".json"), truth);
  const auto expected = reference["conf " + threshold];
  const auto summary = evaluate(truth, found);
  CHECK(std::ssize(found) == expected["detections"]);
  const std::array keys = {"AP",   "AP50",  "AP75",   "AP_small", "AP_medium", "AP_large",
                           "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"};
  for (std::size_t i = 0; i < 12; ++i)
    CHECK(summary.numbers()[i].second ==
          Catch::Approx(expected[keys[i]].get<double>()).margin(5e-7));
}
