#include "serpette/data/match_categories.hpp"

#include "support/catch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {
Instances cells() {
  return {{{1, "a.jpg", 10, 10}},
          {{1, 1, 1, {0, 0, 5, 5}, 25}, {2, 1, 3, {1, 1, 5, 5}, 25}, {3, 1, 2, {2, 2, 5, 5}, 25}},
          {{0, "cells"}, {1, "RBC"}, {2, "WBC"}, {3, "Platelets"}},
          "truth.json"};
}
}  // namespace

TEST_CASE("an extra category without boxes is named and passed over", "[data][match_categories]") {
  auto instances = cells();
  const auto notes = match_categories(instances, 3, {}, "net.cfg");
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "truth.json: the category 0 (cells) has no boxes and is passed over");
  REQUIRE(instances.categories.size() == 3);
  CHECK(instances.categories[0].name == "RBC");
  CHECK(instances.annotations[0].category == 0);
  CHECK(instances.annotations[1].category == 2);
  CHECK(match_categories(instances, 3, {}, "net.cfg").empty());

  // In a part of a data set another category may lack boxes as well.
  instances = cells();
  instances.annotations.pop_back();
  match_categories(instances, 3, {}, "net.cfg");
  CHECK(instances.categories[1].name == "WBC");
  CHECK_THROWS_WITH(match_categories(instances, 1, {}, "net.cfg"),
                    ContainsSubstring("should have the 1 classes of net.cfg, got 2 categories with "
                                      "boxes (RBC, Platelets); without boxes: WBC"));
  instances = cells();
  CHECK_THROWS_AS(match_categories(instances, 5, {}, "net.cfg"), Error);

  // Very many are one line.
  for (int i = 0; i < 3000; ++i)
    instances.categories.push_back({100 + i, fmt::format("empty {}", i)});
  const auto summed = match_categories(instances, 3, {}, "net.cfg");
  REQUIRE(summed.size() == 1);
  CHECK(summed[0] ==
        "truth.json: 3001 categories have no boxes and are passed over: 0 (cells), 100 (empty 0), "
        "101 (empty 1), …");
}

TEST_CASE("a class may lack boxes in a part of a data set", "[data][match_categories]") {
  auto instances = cells();
  instances.annotations.pop_back();  // that of WBC
  instances.categories = {{1, "RBC"}, {2, "Platelets"}};
  instances.annotations[0].category = 0, instances.annotations[1].category = 1;
  const auto notes = match_categories(instances, 3, {"WBC", "Platelets", "RBC"}, "net.cfg");
  CHECK(notes.front() == "truth.json: 1 of the 3 classes of net.cfg have no boxes: WBC");
  REQUIRE(instances.categories.size() == 3);
  CHECK((instances.categories[0].name == "WBC" && instances.categories[0].id == 3));
  CHECK(instances.annotations[0].category == 2);
  CHECK(instances.annotations[1].category == 1);
  // Where no class is known it is another data set.
  instances.annotations.clear();
  CHECK_THROWS_WITH(match_categories(instances, 2, {"cat", "dog"}, "net.cfg"),
                    ContainsSubstring("should have the class \"cat\" of net.cfg"));
}

TEST_CASE("classes without an order of their own need the network's names",
          "[data][match_categories]") {
  auto instances = cells();
  instances.categories.erase(instances.categories.begin());
  for (auto& a : instances.annotations) --a.category;
  instances.has_class_order = false;
  CHECK_THROWS_WITH(match_categories(instances, 3, {}, "a/net.cfg"),
                    ContainsSubstring("names of a/net.cfg's classes") &&
                        ContainsSubstring("--names or a file net.names beside it") &&
                        ContainsSubstring("got RBC, WBC, Platelets"));
  CHECK_NOTHROW(match_categories(instances, 3, {"RBC", "Platelets", "WBC"}, "a/net.cfg"));
  CHECK(instances.annotations[1].category == 1);
  // One class has one order.
  instances.annotations.clear();
  instances.categories = {{1, "cell"}};
  CHECK_NOTHROW(match_categories(instances, 1, {}, "net.cfg"));
}

TEST_CASE("labels without names count classes as the network does", "[data][match_categories]") {
  auto instances = cells();
  for (std::size_t k = 0; k < 4; ++k)
    instances.categories[k].name = numbered_class(static_cast<std::int64_t>(k));
  match_categories(instances, 5, {"a", "b", "c", "d", "e"}, "net.cfg");
  REQUIRE(instances.categories.size() == 5);
  CHECK(instances.categories[3].name == "d");
  CHECK(instances.annotations[1].category == 3);
}

TEST_CASE("labels without names may lack the last classes of a network without names",
          "[data][match_categories]") {
  auto instances = cells();
  for (std::size_t k = 0; k < 4; ++k)
    instances.categories[k].name = numbered_class(static_cast<std::int64_t>(k));
  const auto labels = instances;
  const auto notes = match_categories(instances, 6, {}, "net.cfg");
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "truth.json: 2 of the 6 classes of net.cfg have no boxes: class 4, class 5");
  REQUIRE(instances.categories.size() == 6);
  CHECK(instances.categories[5].name == "class 5");
  CHECK(instances.annotations[1].category == 3);
  // Class 0 has no boxes, but class 1 stays class 1.
  for (const auto& names : {std::vector<std::string>(), {"a", "b", "c"}}) {
    instances = labels;
    CHECK_THROWS_WITH(match_categories(instances, 3, names, "net.cfg"),
                      ContainsSubstring("should have no category but the 3 classes"));
  }
}

TEST_CASE("names that are alike are told apart, and a category with boxes from its double",
          "[data][match_categories]") {
  Instances instances{{{1, "a.jpg", 10, 10}},
                      {{1, 1, 1, {0, 0, 5, 5}, 25}},
                      {{1, "t1"}, {2, "T-1"}, {3, "T_1"}},
                      "truth.json"};
  const auto read = instances;
  match_categories(instances, 3, {"T_1", "T-1", "t1"}, "net.cfg");
  CHECK(instances.categories[0].id == 3);
  CHECK(instances.annotations[0].category == 1);
  CHECK(instances.categories[2].id == 1);
  instances = read;
  match_categories(instances, 2, {"t1", "T 1"}, "net.cfg");  // the other one, as it has boxes
  CHECK(instances.categories[0].id == 1);
  CHECK(instances.annotations[0].category == 1);
  // Roboflow's first category may be called as the only class is.
  instances = read;
  instances.categories = {{0, "ball"}, {1, "ball"}};
  match_categories(instances, 1, {"ball"}, "net.cfg");
  CHECK(instances.categories[0].id == 1);
  CHECK(instances.annotations[0].category == 0);
}

TEST_CASE("a category without a name is the class that is called by its number",
          "[data][match_categories]") {
  auto instances = cells();
  instances.categories[1].name.clear();
  match_categories(instances, 3, {"WBC", "Platelets", "class 1"}, "net.cfg");
  CHECK(instances.categories[2].id == 1);
  CHECK(instances.annotations[0].category == 2);
}

TEST_CASE("categories follow the network's names", "[data][match_categories]") {
  auto instances = cells();
  const auto notes = match_categories(instances, 3, {"platelets", "rbc", "WBC"}, "net.cfg");
  CHECK(notes.size() == 2);
  CHECK(instances.categories[0].id == 3);
  CHECK(instances.annotations[0].category == 1);  // RBC
  CHECK(instances.annotations[1].category == 0);  // Platelets
  CHECK(instances.annotations[2].category == 2);
  instances = cells();
  CHECK_THROWS_WITH(match_categories(instances, 3, {"RBC", "WBC", "other"}, "net.cfg"),
                    ContainsSubstring("should have the class \"other\" of net.cfg"));
  CHECK_THROWS_WITH(match_categories(instances, 2, {"RBC", "WBC"}, "net.cfg"),
                    ContainsSubstring("should have no category but the 2 classes"));
}

TEST_CASE("80 classes without names are COCO's, however they are numbered",
          "[data][match_categories]") {
  Instances instances;
  instances.images = {{1, "a.jpg", 10, 10}};
  for (const auto& c : coco_categories())
    instances.categories.insert(instances.categories.begin(),
                                {91 - c.id, c.name});  // in the opposite order
  instances.annotations = {{1, 1, 79, {0, 0, 5, 5}, 25}};
  CHECK(match_categories(instances, 80, {}, "net.cfg").size() == 1);
  CHECK(instances.annotations[0].category == 0);
  CHECK(instances.categories.front().name == "person");
  // Others are as they are.
  std::ranges::reverse(instances.categories);
  instances.categories[3].name = "moped";
  CHECK(match_categories(instances, 80, {}, "net.cfg").empty());
  CHECK(instances.categories.front().name == "toothbrush");
}

TEST_CASE("darknet's names are COCO's", "[data][match_categories]") {
  CHECK(same_class("aeroplane", "airplane"));
  CHECK(same_class("pottedplant", "potted plant"));
  CHECK(same_class("tvmonitor", "tv"));
  CHECK_FALSE(same_class("cat", "dog"));
}
