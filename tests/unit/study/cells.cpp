#include "serpette/study/cells.hpp"

#include <set>

#include "support/catch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A row of which every member differs from every other.
CellRow some_row() {
  CellRow row;
  int n = 1;
  for (const auto& column : kCellColumns)
    std::visit(
        [&](auto field) {
          using Value = std::decay_t<decltype(row.*field)>;
          if constexpr (std::is_same_v<Value, std::string>)
            row.*field = column.name == "ratio" ? "12.5" : fmt::format("text_{}", n);
          else
            row.*field = static_cast<Value>(n * 1.5);
        },
        (++n, column.member));
  return row;
}

std::vector<CellRow> parsed(const std::string& text) {
  return parse_table(kCellColumns, "cells.csv", text);
}

}  // namespace

TEST_CASE("every column of a row is written and read back, under a name of its own",
          "[study][cells]") {
  const auto row = some_row();
  const auto text = cells_csv(std::span(&row, 1));
  CHECK(cells_csv(parsed(text)) == text);
  std::set<std::string_view> names;
  std::set<std::string> values;
  for (const auto& column : kCellColumns) {
    names.insert(column.name);
    values.insert(column.text(row));
    CHECK(column.text(parsed(text).front()) == column.text(row));
    CHECK_FALSE(column.meaning.empty());
  }
  CHECK(names.size() == kCellColumns.size());
  CHECK(values.size() == kCellColumns.size());  // no member stands there twice
  CHECK(cell_column("AP50")->number(row) == row.ap50);
  CHECK_FALSE(cell_column("scenario")->number(row));
  CHECK(cell_column("mAP") == nullptr);
}

TEST_CASE(
    "a table of an earlier version lacks what came later; another's lacks more and is refused",
    "[study][cells]") {
  const auto row = some_row();
  const auto text = cells_csv(std::span(&row, 1));
  std::string older;
  for (std::string_view rest = text; !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    for (int k = 0; k < 2; ++k) line = line.substr(0, line.rfind(','));
    older += std::string(line) + '\n';
  }
  REQUIRE(parsed(older).size() == 1);
  CHECK(parsed(older)[0].train_unreadable == 0);
  CHECK(parsed(older)[0].seconds_finetune == row.seconds_finetune);
  auto other = text;
  other.replace(other.find("robust_AP50"), 11, "robust_mAP5");
  CHECK_THROWS_WITH(parsed(other), ContainsSubstring("\"robust_AP50\" is missing"));
}

TEST_CASE("a scenario that is no id and a ratio that is none are refused with their line",
          "[study][cells]") {
  auto row = some_row();
  row.scenario = "/../../victim";
  CHECK_THROWS_WITH(parsed(cells_csv(std::span(&row, 1))),
                    ContainsSubstring("cells.csv:2: ") && ContainsSubstring("/../../victim"));
  row.scenario = "s";
  row.ratio = "100";
  CHECK_THROWS_WITH(parsed(cells_csv(std::span(&row, 1))), ContainsSubstring("cells.csv:2: "));
}

TEST_CASE("the page of a study's tables has their columns", "[study][cells][docs]") {
  const auto page =
      read_file(std::filesystem::path(SERPETTE_TESTS) / "../docs/reference/study_files.md");
  for (const auto& [mark, table] : {std::pair{"cells", columns_markdown(kCellColumns)},
                                    std::pair{"evaluations", columns_markdown(kEvaluationColumns)}})
    CHECK_THAT(page, ContainsSubstring(fmt::format("<!-- {0} -->\n{1}<!-- /{0} -->", mark, table)));
}
