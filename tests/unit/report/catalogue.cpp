#include "serpette/scenario/catalogue.hpp"

#include <set>

#include "support/catch.hpp"

using namespace serpette;

TEST_CASE("every shipped scenario has its own id and label, the paper's five first",
          "[report][catalogue]") {
  std::set<std::string_view> ids, labels;
  std::size_t of_tables = 0;
  for (const auto& entry : kCatalogue) {
    CAPTURE(entry.id);
    CHECK(ids.insert(entry.id).second);
    CHECK(labels.insert(entry.label).second);
    CHECK(is_file_id(entry.id));
    if (entry.paper != InPaper::kTables) continue;
    ++of_tables;
    CHECK(catalogue_place(entry.id) == of_tables);  // behind the original network
  }
  CHECK(of_tables == 5);
  CHECK(catalogue_place("my_policy") == kCatalogue.size());
}

TEST_CASE("a scenario that is not shipped is called by the words of its id",
          "[report][catalogue]") {
  CHECK(scenario_label("structured_deeplift_greyscale") == "Structured DeepLIFT Greyscale");
  CHECK(scenario_label("my_policy2") == "My Policy2");
  CHECK(scenario_label("_") == " ");
}

TEST_CASE("no file is named by an id that leads elsewhere", "[report][catalogue]") {
  CHECK(is_file_id("my-policy_2.1"));
  for (const auto* id : {"", ".", "..", "/etc", "/../../../../victim", "a/b", "a\\b", "-o",
                         ".hidden", "a b", "a\nb", "ä"}) {
    CAPTURE(id);
    CHECK_FALSE(is_file_id(id));
  }
  CHECK_FALSE(is_file_id(std::string(101, 'a')));
}
