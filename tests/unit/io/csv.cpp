#include "serpette/io/csv.hpp"

#include "support/catch.hpp"

#include <fstream>

using Catch::Matchers::ContainsSubstring;
using serpette::CsvReader;
using serpette::CsvWriter;
using serpette::Error;

namespace {
CsvReader reader(std::string text, std::vector<std::string_view> columns) {
  return {"t.csv", std::move(text), columns};
}
}  // namespace

TEST_CASE("columns are found by name, whatever their order", "[io][csv]") {
  auto csv = reader("b,extra,a\n2,x,1\n\n4,y,3\n", {"a", "b"});
  REQUIRE(csv.next());
  CHECK(csv.integer(0) == 1);
  CHECK(csv.number(1) == 2);
  REQUIRE(csv.next());
  CHECK(csv.integer(0) == 3);
  CHECK(csv.place() == "t.csv:4");
  CHECK_FALSE(csv.next());
}

TEST_CASE("quotes, doubled quotes, line breaks and CRLF are read as RFC 4180 says", "[io][csv]") {
  auto csv = reader("\xEF\xBB\xBFname,n\r\n\"a, \"\"b\"\"\nc\",1\r\nplain,2", {"name", "n"});
  REQUIRE(csv.next());
  CHECK(csv.text(0) == "a, \"b\"\nc");
  CHECK(csv.integer(1) == 1);
  REQUIRE(csv.next());
  CHECK(csv.place() == "t.csv:4");
  CHECK(csv.text(0) == "plain");
  CHECK_FALSE(csv.next());
}

TEST_CASE("what is written reads back", "[io][csv]") {
  const double value = GENERATE(0.1, 1.0 / 3, 1e-300, 12345678.9, -0.0);
  CsvWriter out;
  out.row("name", "value");
  out.row("with \"quotes\", commas\nand lines", value);
  auto csv = reader(std::string(out.text()), {"name", "value"});
  REQUIRE(csv.next());
  CHECK(csv.text(0) == "with \"quotes\", commas\nand lines");
  CHECK(csv.number(1) == value);
}

TEST_CASE("a bad file is refused with its line", "[io][csv]") {
  CHECK_THROWS_WITH(reader("", {"a"}), ContainsSubstring("empty file"));
  CHECK_THROWS_WITH(reader("a,b\n", {"a", "c"}),
                    ContainsSubstring("t.csv:1") && ContainsSubstring("\"c\""));
  CHECK_THROWS_WITH(reader("a,b,a\n", {"b", "a"}),
                    "t.csv:1: should have the column \"a\" once, got it 2 times");
  CHECK_NOTHROW(reader("a,b,a\n", {"b"}));  // nobody asks for that one
  auto csv = reader("a,b\n1,2\n1\n", {"a", "b"});
  REQUIRE(csv.next());
  CHECK_THROWS_WITH(csv.next(), ContainsSubstring("t.csv:3: should have 2 fields"));
  auto words = reader("a\nnan\nx\n\"1\"2\n", {"a"});
  REQUIRE(words.next());
  CHECK_THROWS_AS(words.number(0), Error);
  CHECK(std::isnan(words.number_or_nan(0)));
  REQUIRE(words.next());
  CHECK_THROWS_WITH(words.integer(0), "t.csv:3: a should be a whole number, got \"x\"");
  CHECK_THROWS_WITH(words.next(),
                    ContainsSubstring("t.csv:4") && ContainsSubstring("followed by a comma"));
  auto open = reader("a\n\"1\n", {"a"});
  CHECK_THROWS_WITH(open.next(), ContainsSubstring("closed"));
}

TEST_CASE("a line of very many fields and numbers out of range are refused", "[io][csv]") {
  const std::vector<std::string_view> wanted{"a"};
  CHECK_THROWS_WITH(serpette::CsvReader("x.csv", std::string(10'000'000, ','), wanted),
                    Catch::Matchers::ContainsSubstring("should have at most 4096 fields"));
  serpette::CsvReader csv("x.csv", "a\n9223372036854775814\n", wanted);
  REQUIRE(csv.next());
  CHECK_THROWS_WITH(csv.integer(0),
                    "x.csv:2: a should be a whole number, got 9223372036854775814, "
                    "which is out of range");
  serpette::CsvReader tiny("x.csv", "a\n1e-400\n", wanted);
  REQUIRE(tiny.next());
  CHECK_THROWS_WITH(tiny.number(0), Catch::Matchers::ContainsSubstring("which is out of range"));
}
