#include "serpette/io/coco_json.hpp"

#include "serpette/io/detections.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using serpette::test::Scratch;

namespace {

constexpr std::string_view kGood = R"({
  "info": {"nested": [1, {"deep": "}]"}]},
  "annotations": [
    {"id": 5, "image_id": 9, "category_id": 7, "bbox": [1, 2.5, 3, 4], "iscrowd": 1, "area": 6.25,
     "segmentation": {"counts": "abc", "size": [4, 4]}},
    {"id": 6, "image_id": 9.0, "category_id": 3, "bbox": [0, 0, 2, 2]}],
  "images": [{"id": 9, "file_name": "a \"b\".jpg", "width": 640, "height": 480, "license": 1}],
  "categories": [{"id": 7, "name": "dog", "supercategory": "animal"}, {"id": 3, "name": "cat"}]})";

Instances read(const Scratch& folder, std::string_view text) {
  write_file(folder / "instances.json", text);
  return load_instances(folder / "instances.json");
}

}  // namespace

TEST_CASE("instances are read whatever the order of their parts", "[io][coco_json]") {
  const Scratch folder;
  const auto found = read(folder, kGood);
  REQUIRE(found.images.size() == 1);
  CHECK(found.images[0].file_name == "a \"b\".jpg");
  CHECK(found.images[0].width == 640);
  REQUIRE(found.categories.size() == 2);
  CHECK(found.categories[0].name == "cat");
  REQUIRE(found.annotations.size() == 2);
  CHECK(found.annotations[0].category == 1);
  CHECK(found.annotations[0].is_crowd);
  CHECK(found.annotations[0].area == 6.25);
  CHECK(found.annotations[0].box == Box{1, 2.5, 3, 4});
  CHECK(found.annotations[1].image_id == 9);
  CHECK(found.annotations[1].category == 0);
  CHECK(found.annotations[1].area == 4);
  CHECK_FALSE(found.annotations[1].is_crowd);
}

TEST_CASE("instances read back as they were saved", "[io][coco_json]") {
  const Scratch folder;
  auto found = read(folder, kGood);
  found.annotations[0].box.x = 1.0 / 3;
  save_instances(folder / "again.json", found);
  const auto again = load_instances(folder / "again.json");
  write_file(folder / "marked.json", "\xEF\xBB\xBF" + read_file(folder / "again.json"));  // Windows
  CHECK(load_instances(folder / "marked.json").annotations.size() == 2);
  REQUIRE(again.annotations.size() == 2);
  CHECK(again.annotations[0].box == found.annotations[0].box);
  CHECK(again.annotations[0].category == found.annotations[0].category);
  CHECK(again.images[0].file_name == found.images[0].file_name);
  CHECK(again.categories[1].name == "dog");
}

TEST_CASE("a file that is no COCO says where and why", "[io][coco_json]") {
  const Scratch folder;
  const auto refused = [&](std::string_view text, const std::string& why) {
    INFO(text);
    CHECK_THROWS_WITH(read(folder, text),
                      ContainsSubstring("instances.json") && ContainsSubstring(why));
  };
  refused("", "should be JSON");
  refused("nonsense", "should be");
  refused(R"({"images": [], "annotations": [], "categories": []} {})", "should end");
  refused("[1, 2]", "should be an object");
  refused(R"({"images": [], "annotations": [)", "should be JSON");
  refused(kGood.substr(0, kGood.size() - 1), "should be JSON");
  refused(R"({"images": [], "annotations": []} tail)", "should be JSON");
  refused(R"({"images": [], "categories": []})", "\"annotations\"");
  refused(R"({"images": [{"file_name": "x"}], "annotations": [], "categories": []})",
          "images[0]: should have the key \"id\"");
  refused(R"({"images": [{"id": 1}, {"id": 1}], "annotations": [], "categories": []})", "1 twice");
  const auto annotation = [&](const std::string& fields, const std::string& why) {
    refused(
        R"({"images": [{"id": 1}], "categories": [{"id": 2}], "annotations": [{)" + fields + "}]}",
        why);
  };
  annotation(R"("id": 1, "image_id": 1, "category_id": 2)",
             "annotations[0]: should have the key \"bbox\"");
  annotation(R"("id": 1, "image_id": 4, "category_id": 2, "bbox": [0, 0, 1, 1])",
             "image_id should be one of");
  annotation(R"("id": 1, "image_id": 1, "category_id": 4, "bbox": [0, 0, 1, 1])",
             "category_id should be one of");
  annotation(R"("id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1])",
             "annotations[0].bbox: should be [x, y");
  annotation(R"("id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, -1, 1])",
             "not be negative");
  annotation(R"("id": 1, "image_id": 1, "category_id": 2, "bbox": [0, NaN, 1, 1])",
             "annotations[0].bbox[1]");
  annotation(R"("id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 1e999, 1, 1])",
             "annotations[0].bbox[1]");
  for (const auto* width : {"-5", "1000000000000"})
    refused(fmt::format(R"({{"images": [{{"id": 1, "width": {}}}]}})", width),
            "images[0].width: should be a number of pixels");
  annotation(R"("id": 1.5, "image_id": 1)", "annotations[0].id: should be a whole number, got 1.5");
  annotation(R"("id": "1")", "annotations[0].id: should be a whole number, got \"1\"");
  annotation(R"("id": 9223372036854775814)", "which is too large");
  annotation(R"("id": 1e300)", "which is too large");
  annotation(R"("id": 1000000000000000000000000000000)", "which is too large");
  annotation(R"("id": -9223372036854775814)", "which is too small");
  annotation(R"("id": -1000000000000000000000000000000)", "which is too small");
  refused(fmt::format(R"({{"images": [{{"id": 1, "file_name": "{}"}}]}})", std::string(5000, '/')),
          "images[0].file_name: should have at most 4096 bytes, got 5000");
  std::string many;
  for (int i = 0; i < 40'000; ++i) many += fmt::format("{}{{\"id\": {}}}", i > 0 ? "," : "", i);
  refused(R"({"images": [], "annotations": [], "categories": [)" + many + "]}",
          "should have at most 16384 categories, got 40000");
  CHECK_THROWS_WITH(load_instances(folder / "missing.json"), ContainsSubstring("readable"));
}

TEST_CASE("boxes outside their image are named", "[io][coco_json]") {
  const Scratch folder;
  auto found = read(folder, kGood);
  CHECK_NOTHROW(require_boxes_inside(found, "here"));
  found.annotations[1].box.width = 700;
  CHECK_THROWS_WITH(require_boxes_inside(found, "here"),
                    ContainsSubstring("annotation 6") && ContainsSubstring("640"));
}

TEST_CASE("detections read back from both formats to the last bit", "[io][detections]") {
  const Scratch folder;
  const auto instances = read(folder, kGood);
  const std::vector<Detection> written = {
      {9, 1, 1.0 / 3, {0.1, -2.0 / 7, 1e-7, 12345.678901234567}}, {9, 0, 1, {0, 0, 0, 0}}};
  write_detections_json(folder / "d.json", written, instances);
  write_detections_csv(folder / "d.csv", written, instances);
  CHECK(read_detections(folder / "d.json", instances) == written);
  CHECK(read_detections(folder / "d.csv", instances) == written);
  CHECK(read_file(folder / "d.csv")
            .starts_with("image_id,x,y,width,height,confidence,category_id,category,file_name\n"
                         "9,0.1,"));
}

TEST_CASE("detections that fit no annotations are refused with their place", "[io][detections]") {
  const Scratch folder;
  const auto instances = read(folder, kGood);
  const auto refused = [&](const std::string& name, std::string_view text, const std::string& why) {
    write_file(folder / name, text);
    INFO(text);
    CHECK_THROWS_WITH(read_detections(folder / name, instances),
                      ContainsSubstring(name) && ContainsSubstring(why));
  };
  refused("d.json", kGood, "should be a list");
  refused("d.json", R"([{"image_id": 9, "category_id": 3, "bbox": [1, 1, 1, 1]}])",
          "[0]: should have the key \"score\"");
  refused("d.json", R"([{"image_id": 8, "category_id": 3, "bbox": [1, 1, 1, 1], "score": 1}])",
          "[0]: image_id should be one");
  refused("d.json", R"([{"image_id": 9, "category_id": 3, "bbox": [1, 1, 1, 1], "score": 1})",
          "should be JSON");
  refused("d.csv", "image_id,x\n", "\"y\"");
  refused("d.csv", "image_id,x,y,width,height,confidence,category_id\n9,1,1,1,-1,1,3\n", "d.csv:2");
  refused("d.csv", "image_id,x,y,width,height,confidence,category_id\n9,1,1,1,inf,1,3\n", "finite");
  const std::string row =
      "image_id,x,y,width,height,confidence,category_id,file_name\n9,1,1,1,1,1,3,";
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "a/";
  refused("d.csv", row + deep, "d.csv:2: file_name should have at most 4096 bytes, got 200000");
  refused("d.csv", row + deep.substr(0, 4096), "d.csv:2: file_name should be one of");
  refused("d.json",
          R"([{"image_id": 9, "category_id": 3, "bbox": [1, 1, 1, 1], "score": 1, "file_name": ")" +
              deep + "\"}]",
          "d.json: [0]: file_name should have at most 4096 bytes");
  write_file(folder / "d.csv",
             std::string_view("image_id,x,y,width,height,confidence,category_id\n9,1,1,1,1,1,4\n"));
  CHECK(read_detections(folder / "d.csv", instances).at(0).category == kUnknownCategory);
}

TEST_CASE("detections carry their classes' names to annotations that number them otherwise",
          "[io][detections]") {
  const Scratch folder;
  const std::vector<CocoImage> images{{9, "a.jpg", 10, 10}};
  const Instances own{images, {}, {{1, "pottedplant"}, {2, "motorbike"}, {3, "cat"}}, "own"};
  const Instances coco{images, {}, {{1, "cat"}, {2, "potted plant"}, {3, "motorcycle"}}, "coco"};
  const std::vector<Detection> found{
      {9, 0, 0.5, {1, 2, 3, 4}}, {9, 1, 0.25, {5, 6, 1, 1}}, {9, 2, 0.125, {5, 6, 1, 1}}};
  write_detections_csv(folder / "d.csv", found, own);
  write_detections_json(folder / "d.json", found, own);
  const std::vector<Detection> wanted{
      {9, 1, 0.5, {1, 2, 3, 4}}, {9, 2, 0.25, {5, 6, 1, 1}}, {9, 0, 0.125, {5, 6, 1, 1}}};
  for (const char* name : {"d.csv", "d.json"})
    CHECK(read_detections(folder / name, coco) == wanted);
}

TEST_CASE("detections without annotations are matched with some by name", "[io][detections]") {
  const Scratch folder;
  // As a folder is numbered: 1, 2 in the order of names, classes by their position.
  const Instances counted{
      {{1, "a.jpg", 10, 10}, {2, "b.jpg", 10, 10}}, {}, {{1, "dog"}, {2, "cat"}}, "folder", false};
  const std::vector<Detection> found{{1, 0, 0.5, {1, 2, 3, 4}}, {2, 1, 0.25, {5, 6, 1, 1}}};
  write_detections_csv(folder / "d.csv", found, counted);
  write_detections_json(folder / "d.json", found, counted);
  const Instances annotated{{{7, "x/b.jpg", 10, 10}, {2, "x/a.jpg", 10, 10}, {1, "c.jpg", 10, 10}},
                            {},
                            {{3, "cat"}, {2, "dog"}},
                            "truth"};
  const std::vector<Detection> wanted{{2, 1, 0.5, {1, 2, 3, 4}}, {7, 0, 0.25, {5, 6, 1, 1}}};
  for (const char* name : {"d.csv", "d.json"}) {
    CHECK(read_detections(folder / name, annotated) == wanted);
    auto fewer = annotated;
    fewer.images.erase(fewer.images.begin());
    CHECK_THROWS_WITH(
        read_detections(folder / name, fewer),
        ContainsSubstring("file_name should be one of the 2 annotated images, got b.jpg"));
    fewer = annotated;
    fewer.categories[1].name = "horse";
    CHECK(read_detections(folder / name, fewer)[0].category == kUnknownCategory);
  }
}

TEST_CASE("pictures of one name in several folders are told apart by them", "[io][detections]") {
  const Scratch folder;
  const std::vector<CocoCategory> dog{{1, "dog"}};
  // Of the folder b alone, so that its first picture is number 1; and of both.
  const Instances counted{
      {{1, "b/1.jpg", 10, 10}, {2, "b/2.jpg", 10, 10}}, {}, dog, "folder", false};
  const Instances annotated{{{1, "a/1.jpg", 10, 10},
                             {2, "a/2.jpg", 10, 10},
                             {3, "b/1.jpg", 10, 10},
                             {4, "b/2.jpg", 10, 10}},
                            {},
                            dog,
                            "truth"};
  const std::vector<Detection> found{{1, 0, 0.5, {1, 2, 3, 4}}, {2, 0, 0.25, {5, 6, 1, 1}}},
      wanted{{3, 0, 0.5, {1, 2, 3, 4}}, {4, 0, 0.25, {5, 6, 1, 1}}};
  write_detections_csv(folder / "d.csv", found, counted);
  write_detections_json(folder / "d.json", found, counted);
  for (const char* name : {"d.csv", "d.json"})
    CHECK(read_detections(folder / name, annotated) == wanted);
}

TEST_CASE("detections are of the picture that they name, whatever its number", "[io][detections]") {
  const Scratch folder;
  const std::vector<CocoCategory> dog{{1, "dog"}};
  // The same pictures as COCO's numbers count them, and as a reader of labels does.
  const Instances own{{{2, "a/1.jpg", 10, 10}, {1, "b/1.jpg", 10, 10}}, {}, dog, "own"};
  Instances counted{
      {{1, "/data/a/1.jpg", 10, 10}, {2, "/data/b/1.jpg", 10, 10}}, {}, dog, "labels", false};
  const std::vector<Detection> found{{2, 0, 0.5, {1, 2, 3, 4}}, {1, 0, 0.25, {5, 6, 1, 1}}},
      wanted{{1, 0, 0.5, {1, 2, 3, 4}}, {2, 0, 0.25, {5, 6, 1, 1}}};
  write_detections_csv(folder / "d.csv", found, own);
  write_detections_json(folder / "d.json", found, own);
  for (const char* name : {"d.csv", "d.json"})
    CHECK(read_detections(folder / name, counted) == wanted);

  // What nothing tells apart is refused, as is a picture that would be two.
  const std::string head = "image_id,x,y,width,height,confidence,category_id,file_name\n";
  write_file(folder / "d.csv", head + "1,1,2,3,4,0.5,1,1.jpg\n");
  CHECK_THROWS_WITH(read_detections(folder / "d.csv", counted),
                    ContainsSubstring("d.csv:2: file_name should be of one annotated picture, got "
                                      "1.jpg, which several folders have"));
  counted.images.pop_back();
  write_file(folder / "d.csv", head + "1,1,2,3,4,0.5,1,a/1.jpg\n2,1,2,3,4,0.5,1,b/1.jpg\n");
  CHECK_THROWS_WITH(
      read_detections(folder / "d.csv", counted),
      ContainsSubstring("d.csv:3: file_name should be of another picture than a/1.jpg"));
}

TEST_CASE("detections of classes that are only numbered are counted as the network does",
          "[io][detections]") {
  const Scratch folder;
  const std::vector<CocoImage> images{{9, "a.jpg", 10, 10}};
  const auto boxes = [](int category) {
    return std::vector<CocoAnnotation>{{1, 9, category, {0, 0, 5, 5}, 25}};
  };
  const Instances counted{images, {}, {{1, "class 0"}, {2, "class 1"}, {3, "class 2"}}, "none"};
  const std::vector<Detection> found{
      {9, 0, 0.5, {1, 2, 3, 4}}, {9, 1, 0.25, {5, 6, 1, 1}}, {9, 2, 0.125, {5, 6, 1, 1}}};
  write_detections_csv(folder / "d.csv", found, counted);
  write_detections_json(folder / "d.json", found, counted);
  const auto refused =
      ContainsSubstring("as the category ids of truth do not count them as networks do");
  for (const char* name : {"d.csv", "d.json"}) {
    const auto read = [&](const Instances& truth) { return read_detections(folder / name, truth); };
    CHECK(read(counted) == found);
    CHECK(read({images, boxes(0), {{0, "a"}, {1, "b"}, {2, "c"}}, "truth"}) == found);
    CHECK(read({images, boxes(0), {{0, ""}, {1, ""}, {2, ""}}, "truth"}) == found);
    CHECK(read({images, {}, {{1, "a"}, {2, "b"}, {3, "c"}}, "truth"}) == found);
    CHECK(read({images, {}, {{1, "a"}, {2, "b"}}, "truth"})[2].category == kUnknownCategory);
    CHECK_THROWS_WITH(read({images, {}, {{1, "a"}, {2, "b"}, {4, "c"}}, "truth"}), refused);
    // The first may be Roboflow's extra category, and Pascal VOC's are in alphabetical order.
    CHECK_THROWS_WITH(read({images, boxes(1), {{0, "things"}, {1, "a"}, {2, "b"}}, "truth"}),
                      refused);
    CHECK_THROWS_WITH(read({images, {}, {{1, "a"}, {2, "b"}, {3, "c"}}, "truth", false, false}),
                      refused);
  }
}

TEST_CASE("detections tell classes apart whose names are alike", "[io][detections]") {
  const Scratch folder;
  const std::vector<CocoImage> images{{9, "a.jpg", 10, 10}};
  const Instances own{images, {}, {{1, "t1"}, {2, "T-1"}, {3, "T_1"}}, "own"};
  const std::vector<Detection> found{
      {9, 0, 0.5, {1, 2, 3, 4}}, {9, 1, 0.25, {5, 6, 1, 1}}, {9, 2, 0.125, {5, 6, 1, 1}}};
  write_detections_json(folder / "d.json", found, own);
  const Instances truth{images, {}, {{7, "T-1"}, {8, "t1"}}, "truth"};
  const auto read = read_detections(folder / "d.json", truth);
  CHECK(read[0].category == 1);
  CHECK(read[1].category == 0);
  CHECK(read[2].category == kUnknownCategory);  // both are taken
  // Of two categories of one name the one with boxes.
  const Instances twice{images, {{1, 9, 1, {0, 0, 5, 5}, 25}}, {{7, "T-1"}, {8, "T-1"}}, "truth"};
  CHECK(read_detections(folder / "d.json", twice)[1].category == 1);
}
