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
