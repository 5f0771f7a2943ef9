#include "serpette_report/report.hpp"

#include "serpette/io/image.hpp"
#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"
#include "support/resource_limit.hpp"
#include "support/scratch.hpp"
#include "unit/report/support.hpp"

#include <nlohmann/json.hpp>
#include <set>

using namespace serpette;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("base64 as RFC 4648 has it", "[report][base64]") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe") == "//4=");
}

TEST_CASE("axis ticks are round and span the data", "[report][figure]") {
  const auto [low, high] = GENERATE(std::pair(0.0, 0.41), std::pair(3.2, 3.3), std::pair(-5.0, 1e6),
                                    std::pair(2.0, 2.0));
  const auto ticks = axis_ticks(low, high);
  CHECK(ticks.size() >= 2);
  CHECK(ticks.size() <= 12);
  CHECK(ticks.front() <= low + 1e-9);
  CHECK(ticks.back() >= high - 1e-9);
}

TEST_CASE("a figure draws a dot per mean and a bar per spread", "[report][figure]") {
  const Figure figure{"A <b>",
                      "x",
                      "y",
                      {{"one & two",
                        series_style(0),
                        {0, 50, 90},
                        {1, 2, std::nan("")},
                        {0.1, 0, 0.2},
                        {{0.9, 1.1}, {}, {}}}},
                      {{"whole", original_style(), 1.5, 0}}};
  const auto svg = figure_svg(figure);
  CHECK_THAT(svg, ContainsSubstring("A &lt;b&gt;") && ContainsSubstring("one &amp; two"));
  CHECK_THAT(svg, !ContainsSubstring("nan"));
  std::size_t dots = 0;
  for (auto at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
    ++dots;
  CHECK(dots == 5);  // two means, two runs and the legend
  CHECK_THAT(svg, ContainsSubstring(">whole</text>"));
}

TEST_CASE("the page holds everything it shows", "[report][page]") {
  const test::Scratch folder;
  write_file(folder / "p.png", std::string_view("\x89PNG rest"));
  ReportOptions options;
  options.page.title = "Title <&>";
  options.page.pictures = {{folder / "p.png", "a grid"}};
  options.page.facts = {{"Seed", "7"}};
  options.pictures = false;
  const auto path = write_report(test::some_cells(), folder / "report", options).page;
  const auto html = read_file(path);
  CHECK_THAT(html, ContainsSubstring("Title &lt;&amp;&gt;") &&
                       ContainsSubstring("data:image/png;base64,iVBORyByZXN0"));
  CHECK_THAT(html, !ContainsSubstring("http://") && !ContainsSubstring("https://") &&
                       !ContainsSubstring("src=\"f"));
  const std::string open = "id=\"study\">";
  const auto from = html.find(open) + open.size();
  const auto data = nlohmann::json::parse(html.substr(from, html.find("</script>", from) - from));
  const std::vector<double> values = data["values"]["paper"]["structured_hydra"]["50"]["AP50"];
  CHECK(values ==
        Study(test::some_cells()).values("structured_hydra", "50", "paper", metric("AP50")));
  CHECK(std::filesystem::exists(folder / "report" / "figures" / "ms_network.svg"));
  options.page.pictures = {{path, "no picture"}};
  CHECK_THROWS_WITH(write_report(test::some_cells(), folder / "report", options),
                    ContainsSubstring("PNG or JPEG"));
}

namespace {

/// A folder as a study leaves it: pictures with truth (one of them lost), detections of two cells.
void write_study_folder(const test::Scratch& folder) {
  write_jpeg(folder / "images/a.jpg", Image(40, 30, 128));
  write_jpeg(folder / "images/b.jpg", Image(60, 40, 90));
  write_jpeg(folder / "images/big.jpg", Image(960, 480, 200));
  write_file(folder / "truth.json", std::string_view(R"({"images": [
    {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}, {"id": 2, "file_name": "b.jpg", "width": 60, "height": 40},
    {"id": 3, "file_name": "big.jpg", "width": 960, "height": 480},
    {"id": 4, "file_name": "gone.jpg", "width": 9, "height": 9}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [5, 5, 10, 10]},
    {"id": 2, "image_id": 3, "category_id": 7, "bbox": [100, 100, 200, 200]},
    {"id": 3, "image_id": 3, "category_id": 9, "bbox": [400, 100, 200, 200]},
    {"id": 4, "image_id": 4, "category_id": 7, "bbox": [1, 1, 2, 2]}, {"id": 5, "image_id": 4, "category_id": 9, "bbox": [1, 1, 2, 2]}],
    "categories": [{"id": 7, "name": "cup"}, {"id": 9, "name": "<!--<script></script>"}]})"));
  const std::string head = "image_id,x,y,width,height,confidence,category_id,category\n";
  write_file(
      folder / "cells/structured_hydra-run1-ratio0/detections.csv",
      std::string_view(
          head +
          "3,100,100,200,180,0.5,7,cup\n3,110,100,200,200,0.9,7,cup\n1,5,5,10,9,0.04,7,cup\n"));
  write_file(folder / "cells/structured_hydra-run1-ratio0/detections_attacked.csv",
             std::string_view(head));
  write_file(folder / "cells/unstructured_deeplift-run2-ratio90/detections.csv",
             std::string_view(head + "2,1,2,3,4,0.25,9,x\n"));
}

SampleSource source_of(const test::Scratch& folder) {
  return {
      .cells = folder / "cells", .images = folder / "images", .annotations = folder / "truth.json"};
}

}  // namespace

TEST_CASE("samples are the telling pictures, large ones shrunk with their boxes",
          "[report][samples]") {
  const test::Scratch folder;
  write_study_folder(folder);
  const auto samples = read_samples(Study(test::some_cells()), source_of(folder));
  REQUIRE(samples.pictures.size() == 3);
  const auto& first = samples.pictures[0];
  CHECK(first.name == "big.jpg");  // two kinds of objects
  CHECK(first.width == 480);
  CHECK(first.height == 240);
  REQUIRE(first.truth.size() == 2);
  CHECK(first.truth[0].box == Box{50, 50, 100, 100});
  CHECK(samples.pictures[1].jpeg == read_file(folder / "images/a.jpg"));
  REQUIRE(samples.cells.size() == 2);
  const auto& cell = samples.cells.at({"structured_hydra", "0", 1});
  REQUIRE(cell.clean[0].size() == 2);
  CHECK(cell.clean[0][0].confidence == 0.9);
  CHECK(cell.clean[1].empty());  // 0.04 is below what is shown
  CHECK(cell.attacked.size() == 3);
  CHECK(samples.cells.at({"unstructured_deeplift", "90", 2}).attacked.empty());
  // Each object counts once, for the surest box.
  CHECK(right_boxes(cell.clean[0], first.truth) == std::vector<bool>{true, false});
  CHECK(samples_csv(samples, 1) ==
        "image,attacked,scenario,ratio_percent,run,category,confidence,x,y,width,height,right\n"
        "big.jpg,no,structured_hydra,0,1,cup,0.9,55,50,100,100,yes\n"
        "big.jpg,no,structured_hydra,0,1,cup,0.5,50,50,100,90,no\n");
}

TEST_CASE("the page's viewer holds pictures once and every box", "[report][viewer]") {
  const test::Scratch folder;
  write_study_folder(folder);
  ReportOptions options;
  options.pictures = false;
  options.samples = source_of(folder);
  const auto html = read_file(write_report(test::some_cells(), folder / "report", options).page);
  const std::string open = "id=\"boxes\">";
  const auto from = html.find(open) + open.size();
  const auto text = html.substr(from, html.find("</script>", from) - from);
  CHECK_THAT(text, !ContainsSubstring("<"));  // HTML's parser sees none of what names hold
  const auto data = nlohmann::json::parse(text);
  CHECK(data["categories"][1]["name"] == "<!--<script></script>");
  CHECK(data["pictures"].size() == 3);
  CHECK(data["pictures"][0]["truth"] ==
        nlohmann::json({500, 500, 1000, 1000, 100, 0, 2000, 500, 1000, 1000, 100, 1}));
  CHECK(data["clean"]["structured_hydra"]["0"]["1"][0] ==
        nlohmann::json({550, 500, 1000, 1000, 90, 0, 500, 500, 1000, 900, 50, 0}));
  CHECK(data["clean"]["unstructured_deeplift"]["90"]["2"][2] ==
        nlohmann::json({10, 20, 30, 40, 25, 1}));
  CHECK(data["attacked"].size() == 1);
  const auto svg = read_file(folder / "report/figures/fig_3.svg");
  CHECK_THAT(svg, ContainsSubstring("data:image/jpeg;base64,") && ContainsSubstring("cup 0.90") &&
                      ContainsSubstring("stroke-dasharray"));
  CHECK(std::filesystem::exists(folder / "report/figures/fig_3.csv"));
}

TEST_CASE("detections that do not fit their annotations are refused with their line",
          "[report][samples]") {
  const test::Scratch folder;
  write_study_folder(folder);
  const auto* const rest = GENERATE("\n1,5,5,9,9,0.5,8\n", ",category\n1,5,5,9,9,0.5,8,\n");
  write_file(folder / "cells/structured_hydra-run1-ratio0/detections.csv",
             std::string("image_id,x,y,width,height,confidence,category_id") + rest);
  CHECK_THROWS_WITH(read_samples(Study(test::some_cells()), source_of(folder)),
                    ContainsSubstring("detections.csv:2: category_id should be one that"));
}

TEST_CASE("a class that the test annotations lack has the name that detections say",
          "[report][samples]") {
  const test::Scratch folder;
  write_study_folder(folder);
  write_file(folder / "cells/structured_hydra-run1-ratio0/detections.csv",
             std::string_view("image_id,x,y,width,height,confidence,category_id,category\n"
                              "1,5,5,9,9,0.5,1,fork\n1,5,5,9,9,0.4,2,spoon\n"
                              "1,5,5,9,9,0.3,1,fork\n1,5,5,9,9,0.2,7,cup\n"));
  const auto samples = read_samples(Study(test::some_cells()), source_of(folder));
  CHECK(samples.categories ==
        std::vector<std::string>{"cup", "<!--<script></script>", "fork", "spoon"});
  std::vector<int> classes;
  for (const auto& box : samples.cells.at({"structured_hydra", "0", 1}).clean[0])
    classes.push_back(box.category);
  CHECK(classes == std::vector{2, 3, 2, 0});
}

TEST_CASE("classes that annotations only number have the names that detections say",
          "[report][samples]") {
  const test::Scratch folder;
  write_study_folder(folder);
  const auto [first, second] = GENERATE(std::pair("", ""), std::pair("class 0", "class 1"));
  auto text = read_file(folder / "truth.json");
  for (const auto& [name, number] :
       {std::pair("cup", first), std::pair("<!--<script></script>", second)})
    text.replace(text.find(name), std::string_view(name).size(), number);
  write_file(folder / "truth.json", text);
  // A name may stand with a box that no sample shows, and in the table of one network alone.
  const std::string head = "image_id,x,y,width,height,confidence,category_id,category\n";
  write_file(folder / "cells/structured_hydra-run1-ratio0/detections.csv",
             std::string_view(head + "1,5,5,10,9,0.5,7,\n1,5,5,10,9,0.4,3,fork\n"));
  write_file(folder / "cells/unstructured_deeplift-run2-ratio90/detections.csv",
             std::string_view(head + "4,5,5,10,9,0.01,7,cup\n1,5,5,10,9,0.5,9,class 1\n"));
  const auto samples = read_samples(Study(test::some_cells()), source_of(folder));
  CHECK(samples.categories ==
        std::vector<std::string>{"cup", *second ? "class 1" : "class 9", "fork"});
  CHECK(samples.cells.at({"structured_hydra", "0", 1}).clean[0][0].category == 0);
  CHECK(samples.cells.at({"unstructured_deeplift", "90", 2}).clean[0][0].category == 1);
}

TEST_CASE("a sample is upright as its boxes have it, whatever shows it", "[report][samples]") {
  const test::Scratch folder;
  const auto turned = read_file(test::file("golden/images/turned.jpg"));  // 21 × 13 stored
  write_file(folder / "images/a.jpg", turned);
  const auto annotated = GENERATE(ImageSize{21, 13}, ImageSize{13, 21});
  write_file(folder / "truth.json",
             fmt::format(R"({{"images": [{{"id": 1, "file_name": "a.jpg", "width": {}, "height":
               {}}}], "annotations": [], "categories": []}})",
                         annotated.width, annotated.height));
  const auto samples = read_samples(Study(test::some_cells()), source_of(folder));
  REQUIRE(samples.pictures.size() == 1);
  const auto& picture = samples.pictures[0];
  CHECK(ImageSize{picture.width, picture.height} == annotated);
  CHECK(image_orientation(picture.jpeg, "x") == 1);
  CHECK(image_size(picture.jpeg, "x") == annotated);
}

TEST_CASE("a sample that pages cannot hold is made one that they can", "[report][samples]") {
  const test::Scratch folder;
  const auto* const name = GENERATE("24.bmp", "lossless.webp");
  write_file(folder / "truth.json",
             fmt::format(R"({{"images": [{{"id": 1, "file_name": "{}"}}], "annotations": [],
               "categories": []}})",
                         name));
  auto source = source_of(folder);
  source.images = test::file("golden/images");
  const auto samples = read_samples(Study(test::some_cells()), source);
  REQUIRE(samples.pictures.size() == 1);
  CHECK_NOTHROW(picture_address(samples.pictures[0].jpeg, name));
}

TEST_CASE("samples take annotations in any form", "[report][samples]") {
  const test::Scratch folder;
  write_study_folder(folder);
  std::filesystem::create_directory(folder / "voc");
  write_file(
      folder / "voc/a.xml",
      std::string_view("<annotation><filename>a.jpg</filename><object><name>cup</name><bndbox>"
                       "<xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>"
                       "</object></annotation>"));
  auto source = source_of(folder);
  source.cells = folder / "none";
  source.annotations = folder / "voc";
  const auto samples = read_samples(Study(test::some_cells()), source);
  REQUIRE(samples.pictures.size() == 1);
  CHECK(samples.pictures[0].name == "a.jpg");
  CHECK(samples.pictures[0].truth.size() == 1);
}

TEST_CASE("the Pareto front has what nothing beats", "[report][tradeoff]") {
  const Study study(test::some_cells());
  const auto points = tradeoff(study, "standard", metric("AP50"), metric("ms_network"));
  REQUIRE(points.size() == 6);
  for (const auto& p : points) {
    bool beaten = false;
    for (const auto& q : points)
      beaten = beaten || (q.cost <= p.cost && q.quality > p.quality) ||
               (q.cost < p.cost && q.quality >= p.quality);
    CHECK(p.on_front == !beaten);
  }
  CHECK_THAT(tradeoff_csv(study),
             ContainsSubstring("standard,AP50,ms_network,Unstructured DeepLIFT,0,"));
}

TEST_CASE("series and text stand out from the page by 4.5 : 1, light and dark",
          "[report][palette]") {
  CHECK(contrast("#000000", "#ffffff") == Catch::Approx(21));
  CHECK(contrast("#777777", "#ffffff") == Catch::Approx(4.48).margin(0.01));
  const auto theme = [](std::string_view name) {
    const auto* const found = std::ranges::find(kTheme, name, &ThemeColor::name);
    REQUIRE(found != kTheme.end());
    return found->hue;
  };
  for (const auto of : {&Hue::light, &Hue::dark}) {
    for (std::size_t i = 0; i < kHues.size(); ++i) {
      CAPTURE(i, kHues[i].*of);
      CHECK(contrast(kHues[i].*of, theme("panel").*of) >= 4.5);
    }
    for (const auto* text : {"ink", "soft", "accent"})
      for (const auto* behind : {"bg", "panel", "mark"}) {
        CAPTURE(text, behind);
        CHECK(contrast(theme(text).*of, theme(behind).*of) >= 4.5);
      }
  }
  // Every shipped scenario that a study shows together with the paper's has a hue of its own.
  std::vector<std::string> ids;
  for (const auto& entry : kCatalogue)
    if (entry.paper != InPaper::kNo) ids.emplace_back(entry.id);
  ids.emplace_back("unstructured_magnitude");
  ids.emplace_back("my_policy");
  std::set<std::size_t> hues;
  for (const auto& style : scenario_styles(ids)) CHECK(hues.insert(style.hue).second);
  CHECK_FALSE(hues.contains(original_style().hue));
}

TEST_CASE("a report stays in its folder and leaves none of an earlier one's files",
          "[report][report_folder]") {
  const test::Scratch folder;
  auto cells = test::some_cells();
  for (auto& cell : cells)
    if (cell.scenario == "structured_hydra") cell.scenario = "/../../../../victim";
  write_file(folder / "victim.csv", std::string_view("mine"));
  CHECK_THROWS_WITH(write_report(cells, folder / "a/b/r", {.pictures = false}),
                    ContainsSubstring("names files and should be of letters"));
  CHECK_FALSE(std::filesystem::exists(folder / "a"));
  CHECK(read_file(folder / "victim.csv") == "mine");

  ReportFolder out(folder / "r");
  for (const auto* name : {"../x", "a/../x", "/x", "a/b/c", "", ".x", "a/"}) {
    CAPTURE(name);
    CHECK_THROWS_WITH(out.add(name, "x"), ContainsSubstring("inside the report's folder"));
    CHECK_THROWS_WITH(out.expect(name), ContainsSubstring("inside the report's folder"));
  }

  const auto stale = folder / "r/tables/runs_AP50_mine.csv";
  const auto report = [&](std::vector<CellRow> rows) {
    return write_report(rows, folder / "r", {.pictures = false});
  };
  cells = test::some_cells();
  for (auto& cell : cells)
    if (cell.scenario == "structured_hydra") cell.scenario = "mine";
  CHECK(report(cells).notes.empty());
  CHECK(std::filesystem::exists(stale));
  write_file(folder / "r/own.txt", std::string_view("a user's"));
  write_file(folder / "r/tables/strange.csv", std::string_view("of whom?"));
  std::erase_if(cells, [](const auto& c) { return c.scenario == "mine"; });
  const auto result = report(cells);
  CHECK_FALSE(std::filesystem::exists(stale));
  CHECK(std::filesystem::exists(folder / "r/own.txt"));
  CHECK_THAT(result.notes.at(0),
             ContainsSubstring("1 file of tables and figures is not of this report") &&
                 ContainsSubstring("tables/strange.csv"));
  // A list that names others' files removes none of them.
  write_file(folder / "r/report_files.txt", std::string_view("x\n../victim.csv\n/etc/hostname\n"));
  (void)report(cells);
  CHECK(read_file(folder / "victim.csv") == "mine");
}

TEST_CASE("a report is never written over what it is made from", "[report][report_folder]") {
  const test::Scratch folder;
  const auto refused = [&](const ReportOptions& options, const std::string& input) {
    CHECK_THROWS_WITH(
        write_report(test::some_cells(), folder / "r", options),
        ContainsSubstring("should be another file than the input") && ContainsSubstring(input));
    CHECK_FALSE(std::filesystem::exists(folder / "r/index.html"));
  };
  write_file(folder / "r/runs.csv", cells_csv(test::some_cells()));
  refused({.place = (folder / "r/runs.csv").string(), .pictures = false}, "r/runs.csv");
  CHECK(read_file(folder / "r/runs.csv") == cells_csv(test::some_cells()));
  std::filesystem::rename(folder / "r/runs.csv", folder / "cells.csv");
  std::filesystem::create_symlink("../cells.csv", folder / "r/tests.csv");
  refused({.place = (folder / "cells.csv").string(), .pictures = false}, "cells.csv");
  std::filesystem::remove(folder / "r/tests.csv");
  write_file(folder / "r/figures/AP50.png", std::string_view("\x89PNG rest"));
  ReportOptions options;
  options.page.pictures = {{folder / "r/figures/AP50.png", "of an earlier report"}};
  refused(options, "figures/AP50.png");
  // What the report before wrote and this one would remove.
  std::filesystem::rename(folder / "r/figures/AP50.png", folder / "r/old.png");
  write_file(folder / "r/report_files.txt", std::string_view("Files\nold.png\n"));
  options.page.pictures = {{folder / "r/old.png", "of an earlier report"}};
  refused(options, "old.png");
}

TEST_CASE("a picture that cannot be read leaves the report before as it was",
          "[report][report_folder]") {
  const test::Scratch folder;
  (void)write_report(test::some_cells(), folder / "r", {.pictures = false});
  const auto runs = read_file(folder / "r/runs.csv"), page = read_file(folder / "r/index.html");
  auto cells = test::some_cells();
  for (auto& cell : cells) cell.ap50 /= 2;
  ReportOptions options;
  options.pictures = false;
  options.page.pictures = {{folder / "nofile.png", "none"}};
  CHECK_THROWS_WITH(write_report(cells, folder / "r", options), ContainsSubstring("nofile.png"));
  CHECK(read_file(folder / "r/runs.csv") == runs);
  CHECK(read_file(folder / "r/index.html") == page);
}

TEST_CASE("a table as text has its heading and every column, in line", "[report][text_table]") {
  const TextTable table{.name = "t",
                        .title = {},
                        .header = {"layer", "output", "%"},
                        .rows = {{"conv_0", "8×104×104", "12"}, {"a", "8×4×4", ""}}};
  CHECK(to_text(table) ==
        "layer      output   %\n"
        "conv_0  8×104×104  12\n"
        "a           8×4×4\n");
}

TEST_CASE("one of a thing is no plural", "[report][page]") {
  auto cells = test::some_cells();
  std::erase_if(cells, [](const auto& c) {
    return c.scenario != "structured_hydra" || c.run != 1 || c.ratio != "50";
  });
  CHECK_THAT(page_html(Study(cells)),
             ContainsSubstring("1 pruned network: 1 scenario × 1 ratio × 1 run."));
}

TEST_CASE("a report has more files than a process may have open", "[report]") {
  const test::Scratch folder;
  const test::ResourceLimit open_files(RLIMIT_NOFILE, 32);
  ReportFolder out(folder / "r");
  for (int i = 0; i < 64; ++i) out.add(fmt::format("{}.csv", i), "x");
  out.write({});
  CHECK(read_file(folder / "r/63.csv") == "x");
}
