#include "serpette/torch/nn.hpp"

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/data/coco_folder.hpp"
#include "serpette/detector/yolov3.hpp"
#include "serpette/formats/darknet/known_mistakes.hpp"
#include "serpette/io/coco_json.hpp"
#include "serpette/metric/coco_evaluation.hpp"
#include "support/catch.hpp"
#include "support/npz.hpp"
#include "support/scratch.hpp"

using namespace serpette;

namespace {

Yolov3 tiny() {
  const auto folder = test::real_data();
  return Yolov3::load(folder / "darknet/yolov3-tiny.cfg", folder / "yolov3-tiny.weights");
}

nlohmann::json json(const std::filesystem::path& path) {
  nlohmann::json value;
  std::ifstream(path) >> value;
  return value;
}

}  // namespace

TEST_CASE("the published weights load, and save to the same bytes but for the revision's mark",
          "[detector][weights][real]") {
  const auto network = tiny();
  CHECK(network.header().seen == 32'013'312);
  const test::Scratch folder;
  network.save(folder / "again.cfg", folder / "again.weights");
  auto again = read_file(folder / "again.weights"),
       published = read_file(test::real_data() / "yolov3-tiny.weights");
  for (auto* bytes : {&again, &published}) bytes->replace(8, 4, 4, '\0');
  CHECK(again == published);
}

TEST_CASE("the mask that does not belong to the published weights is told",
          "[model][weights][real]") {
  const auto folder = test::real_data();
  CHECK_FALSE(known_mistake(tiny().graph(), tiny().header()));
  const auto wrong =
      Yolov3::load(folder / "darknet/yolov3-tiny-mask012.cfg", folder / "yolov3-tiny.weights");
  REQUIRE(known_mistake(wrong.graph(), wrong.header()));
  CHECK(known_mistake(wrong.graph(), wrong.header())->find("should have mask = 1,2,3") !=
        std::string::npos);
  CHECK_FALSE(known_mistake(wrong.graph(), {}));
}

TEST_CASE("heads of real photographs are the reference program's within 1e-4",
          "[model][yolov3][real]") {
  const auto network = tiny();
  const auto folder = test::real_data() / "oracle";
  const torch::NoGradGuard no_grad;
  for (const auto* id : {"000000166918", "000000214753", "000000255165"}) {
    INFO(id);
    const auto arrays = test::read_npz(folder / (std::string(id) + ".npz"));
    const auto& input = arrays.at("input");
    for (const auto& heads : {network.forward(input), network.frozen().forward(input)})
      for (std::size_t h = 0; h < 2; ++h)
        CHECK((heads[h] - arrays.at("head" + std::to_string(h))).abs().max().item<double>() < 1e-4);

    const auto wanted = json(folder / (std::string(id) + ".json"));
    const auto& g = wanted["geometry"];
    const Letterbox geometry{g["w"],     g["h"],     416,        416,
                             g["new_w"], g["new_h"], g["pad_x"], g["pad_y"]};
    const ImageBatch batch{input, at::zeros({0, 6}), {wanted["image_id"]}, {geometry}};
    const auto found = network.detections({arrays.at("head0"), arrays.at("head1")}, batch, 0.5)[0];
    REQUIRE(found.size() == wanted["detections_conf_0.5"].size());
    for (std::size_t k = 0; k < found.size(); ++k) {
      const auto& w = wanted["detections_conf_0.5"][k];
      CHECK(found[k].category == w["cls"]);
      CHECK(std::abs(found[k].score - w["score"].get<double>()) < 1e-5);
      const auto& box = w["box"];
      CHECK(std::abs(found[k].box.x - box[0].get<double>()) < 1e-2);
      CHECK(std::abs(found[k].box.y - box[1].get<double>()) < 1e-2);
      CHECK(std::abs(found[k].box.x + found[k].box.width - box[2].get<double>()) < 1e-2);
      CHECK(std::abs(found[k].box.y + found[k].box.height - box[3].get<double>()) < 1e-2);
    }
  }
}

TEST_CASE("the twelve numbers on real photographs are the reference program's within 0.001",
          "[model][yolov3][real][slow]") {
  const auto network = tiny().frozen();
  const auto data = test::real_data();
  const auto instances = load_instances(data / "coco_dev/instances.json");
  const CocoFolder dataset(instances, data / "coco_dev/images", {});
  std::vector<Detection> standard, paper;
  const torch::NoGradGuard no_grad;
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto batch = dataset.batch(std::array{i});
    const auto found =
        decode(network.graph(), network.forward(batch.images), batch, {.confidence = 0.001})[0];
    auto confident = found;
    std::erase_if(confident, [](const Detection& d) { return !(d.score > 0.5); });
    standard.insert(standard.end(), found.begin(), found.end());
    paper.insert(paper.end(), confident.begin(), confident.end());
  }
  const auto summary = json(data / "oracle/summary.json")["results"]["coco_dev"];
  for (const auto& [key, detections] :
       {std::pair{"conf 0.001", &standard}, std::pair{"conf 0.5", &paper}}) {
    INFO(key);
    const auto& wanted = summary[key];
    const auto got = evaluate(instances, *detections);
    CHECK(static_cast<int>(detections->size()) ==
          Catch::Approx(wanted["detections"].get<int>()).epsilon(0.002));
    const auto close = [&](double value, const char* name) {
      INFO(name);
      CHECK(std::abs(value - wanted[name].get<double>()) < 0.001);
    };
    close(got.AP, "AP");
    close(got.AP50, "AP50");
    close(got.AP75, "AP75");
    close(got.APs, "AP_small");
    close(got.APm, "AP_medium");
    close(got.APl, "AP_large");
    close(got.AR1, "AR_1");
    close(got.AR10, "AR_10");
    close(got.AR100, "AR_100");
    close(got.ARs, "AR_small");
    close(got.ARm, "AR_medium");
    close(got.ARl, "AR_large");
  }
}
