#include "serpette/io/text.hpp"

#include "serpette/io/atomic_file.hpp"
#include "serpette/io/class_names.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("lines of any system are the same lines", "[io][text]") {
  const std::vector<std::string_view> wanted{"a", "", "b c"};
  CHECK(lines_of("a\n\nb c") == wanted);
  CHECK(lines_of("a\n\nb c\n") == wanted);
  CHECK(lines_of("\xEF\xBB\xBF"
                 "a\r\n\r\n\tb c \r\n") == wanted);
  CHECK(lines_of("a\n\xEF\xBB\xBF\n \xEF\xBB\xBF\t\xEF\xBB\xBF b c") == wanted);  // put together
  CHECK(lines_of("").empty());
  CHECK(lines_of("\n").size() == 1);
}

TEST_CASE("class names read alike from an editor of any system", "[io][class_names]") {
  const test::Scratch folder;
  const auto names = [&](std::string_view text) {
    write_file(folder / "x.names", text);
    return load_class_names(folder / "x.names");
  };
  const std::vector<std::string> wanted{"red cell", "white cell"};
  CHECK(names("red cell\nwhite cell\n") == wanted);
  CHECK(names("\xEF\xBB\xBFred cell  \r\nwhite cell\t\r\n\r\n") == wanted);
  CHECK_THROWS_WITH(names(" \r\n"), ContainsSubstring("one a line, got none"));
  CHECK_THROWS_WITH(names("a\nb\na"), ContainsSubstring("got \"a\" twice"));
  CHECK_THROWS_WITH(load_class_names(folder / "none"), ContainsSubstring("readable"));
}

TEST_CASE("class names are UTF-8", "[io][class_names]") {
  const test::Scratch folder;
  const auto names = [&](const std::string& text) {
    write_file(folder / "x.names", std::string_view(text));
    return load_class_names(folder / "x.names");
  };
  for (const char* good : {"caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x88", "\x7F"})
    CHECK(names(std::string("tea\n") + good) == std::vector<std::string>{"tea", good});
  for (const char* bad : {"caf\xE9", "caf\xC3", "\x80", "\xC1\xA9", "\xE0\x82\xAC", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80"})
    CHECK_THROWS_WITH(names(std::string("\ntea\n") + bad),
                      ContainsSubstring("x.names:3: should hold a class name in UTF-8"));
}

TEST_CASE("names that a list would not give back are refused", "[io][class_names]") {
  const auto refused = [](const std::vector<CocoCategory>& categories, const std::string& why) {
    CHECK_THROWS_WITH(require_class_names(categories, "a.json"),
                      ContainsSubstring("a.json: ") && ContainsSubstring(why));
  };
  CHECK_NOTHROW(require_class_names({{1, "red cell"}, {2, "Red-cell"}}, "a.json"));
  refused({{1, "cat"}, {2, ""}}, "category 2 should have a name, got none");
  refused({{1, "cat"}, {2, "cat"}}, "of its own, got \"cat\" twice");
  refused({{1, "a\nb"}},
          "the name of category 1 should be one line without blanks at its ends, got \"a b\"");
  for (const char* name : {"a\r", "a\rb", " a", "a\t", " "}) refused({{1, name}}, "one line");
  refused({{1, "caf\xE9"}}, "should be UTF-8");
}

TEST_CASE("names of classes travel with one network, whatever dots its name has",
          "[io][class_names]") {
  const auto beside = [](const char* network, std::string_view extension) {
    return beside_network(network, extension).string();
  };
  CHECK(beside("a/own.weights", ".names") == "a/own.names");
  CHECK(beside("own.cfg", ".log.csv") == "own.log.csv");
  CHECK(beside("net-0.5", ".names") == "net-0.5.names");
  CHECK(beside("net-0.5.weights", ".names") == "net-0.5.names");
  const test::Scratch folder;
  write_file(folder / "net-0.names", std::string_view("cat\n"));
  write_file(folder / "own.names", std::string_view("dog\n"));
  const auto names = [&](const char* weights, const std::filesystem::path& cfg) {
    return names_of_network(folder / weights, cfg).filename().string();
  };
  CHECK(names("net-0.5.weights", "").empty());
  CHECK(names("net-0.weights", "") == "net-0.names");
  CHECK(names("own.last.weights", "") == "own.names");
  CHECK(names("net-0.5.weights", folder / "own.cfg") == "own.names");
  CHECK(names_of_network("", "").empty());
}

TEST_CASE("classes without names leave none of another network", "[io][class_names]") {
  const test::Scratch folder;
  const auto file = folder / "own.names";
  write_class_names(file, std::vector<CocoCategory>{{1, "cat"}, {2, "dog"}});
  CHECK(load_class_names(file) == std::vector<std::string>{"cat", "dog"});
  write_class_names(file, std::vector<CocoCategory>{{1, "cat"}, {2, numbered_class(1)}});
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK_NOTHROW(write_class_names(file, std::vector<std::string>{}));
}
