#include "serpette/formats/darknet/cfg.hpp"

#include "serpette/graph/footprint.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

const auto examples = test::file("../share/cfg");

/// Equal but for line numbers and [net].
void require_equal(const Graph& a, const Graph& b) {
  REQUIRE(a.input == b.input);
  REQUIRE(a.size() == b.size());
  for (int i = 0; i < a.size(); ++i) {
    INFO(a[i].name);
    REQUIRE(a[i].name == b[i].name);
    REQUIRE(a[i].inputs == b[i].inputs);
    REQUIRE(a[i].output == b[i].output);
    REQUIRE(a[i].operation.index() == b[i].operation.index());
    if (const auto* x = a[i].as<Convolutional>()) {
      const auto* y = b[i].as<Convolutional>();
      REQUIRE(std::tie(x->filters, x->size, x->stride, x->padding, x->groups, x->batch_normalize,
                       x->activation) == std::tie(y->filters, y->size, y->stride, y->padding,
                                                  y->groups, y->batch_normalize, y->activation));
    } else if (const auto* x = a[i].as<Yolo>()) {
      const auto* y = b[i].as<Yolo>();
      REQUIRE(std::tie(x->anchors, x->mask, x->classes, x->ignore_thresh, x->truth_thresh) ==
              std::tie(y->anchors, y->mask, y->classes, y->ignore_thresh, y->truth_thresh));
    } else if (const auto* x = a[i].as<MaxPool>()) {
      const auto* y = b[i].as<MaxPool>();
      REQUIRE(std::tie(x->size, x->stride, x->padding) == std::tie(y->size, y->stride, y->padding));
    } else if (const auto* x = a[i].as<Route>()) {
      REQUIRE(x->groups == b[i].as<Route>()->groups);
      REQUIRE(x->group_id == b[i].as<Route>()->group_id);
    } else if (const auto* x = a[i].as<Shortcut>()) {
      REQUIRE(x->activation == b[i].as<Shortcut>()->activation);
    } else if (const auto* x = a[i].as<Upsample>()) {
      REQUIRE(x->stride == b[i].as<Upsample>()->stride);
    }
  }
}

/// A small valid network; tests replace one line of it.
const std::string kSmall = R"([net]
width=32
height=32
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[convolutional]
filters=8
activation=leaky
[shortcut]
from=-2
activation=linear
[convolutional]
filters=14
activation=linear
[yolo]
mask=0,1
anchors=4,5, 8,9
classes=2
num=2
)";

std::string with(const std::string& from, const std::string& to) {
  auto text = kSmall;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("darknet's cfg gives a typed graph with shapes", "[model][cfg]") {
  const auto graph = load_cfg(examples / "yolov3.cfg");
  CHECK(graph.size() == 107);
  CHECK(graph.convolutions().size() == 75);
  CHECK(graph.all<Shortcut>().size() == 23);
  CHECK(graph.all<Route>().size() == 4);
  CHECK(graph.heads() == std::vector{82, 94, 106});
  CHECK(graph.classes() == 80);
  CHECK(graph[81].output == Shape{255, 13, 13});
  CHECK(graph[93].output == Shape{255, 26, 26});
  CHECK(graph[105].output == Shape{255, 52, 52});
  CHECK(graph[86].inputs == std::vector{85, 61});
  CHECK(graph[0].name == "conv_0");
  std::int64_t weights = 0;
  for (const int i : graph.convolutions()) {
    const auto s = weight_shape(graph, i);
    weights += s[0] * s[1] * s[2] * s[3];
  }
  CHECK(weights == 61'895'776);
  CHECK(2 * macs(graph) == Catch::Approx(65.86e9).epsilon(1e-3));
}

TEST_CASE("the shipped cfg files parse and survive a rewrite", "[model][cfg]") {
  const auto [name, layers, convolutions] =
      GENERATE(table<std::string, int, int>({{"yolov3", 107, 75},
                                             {"yolov3-spp", 114, 76},
                                             {"yolov3-tiny", 24, 13},
                                             {"yolov3-quarter", 107, 75}}));
  INFO(name);
  const auto graph = load_cfg(examples / (name + ".cfg"));
  CHECK(graph.size() == layers);
  CHECK(static_cast<int>(graph.convolutions().size()) == convolutions);
  const auto again = parse_cfg(write_cfg(graph), "rewritten");
  require_equal(graph, again);
  CHECK(write_cfg(again) == write_cfg(graph));
}

TEST_CASE("unmodified darknet cfg files parse", "[model][cfg][real]") {
  const auto folder = test::real_data() / "darknet";
  for (const auto* name : {"yolov3.cfg", "yolov3-tiny.cfg", "yolov3-tiny-mask012.cfg"}) {
    const auto graph = load_cfg(folder / name);
    require_equal(graph, parse_cfg(write_cfg(graph), "rewritten"));
  }
  auto ours = load_cfg(examples / "yolov3-tiny.cfg");
  require_equal(ours, load_cfg(folder / "yolov3-tiny.cfg"));
}

TEST_CASE("rare settings survive a rewrite", "[model][cfg]") {
  const auto graph = parse_cfg(R"([network]
width = 40
height=24 # a comment
channels=1
; another
hue=.1
[conv]
filters=8
size=5
padding=1
groups=1
activation=relu
[convolutional]
filters=8
groups=4
activation=logistic
[max]
size=3
stride=2
padding=1
[route]
layers=-1
groups=2
group_id=1
[upsample]
stride=3
[maxpool]
size=2
stride=1
)",
                               "rare.cfg");
  CHECK(graph.input == Shape{1, 24, 40});
  CHECK(graph[0].output == Shape{8, 22, 38});
  CHECK(graph[2].output == Shape{8, 11, 19});
  CHECK(graph[3].output == Shape{4, 11, 19});
  CHECK(graph[4].output == Shape{4, 33, 57});
  CHECK(graph[5].output == Shape{4, 33, 57});
  const auto text = write_cfg(graph);
  CHECK_THAT(text, ContainsSubstring("hue=.1"));
  require_equal(graph, parse_cfg(text, "rewritten"));
}

TEST_CASE("a faulty cfg is refused with file, line, expected and found", "[model][cfg][errors]") {
  REQUIRE_NOTHROW(parse_cfg(kSmall, "f"));
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"", "f: should begin with the section [net], got an empty file"},
      {"[convolutional]\n", "f: should begin with the section [net], got [convolutional]"},
      {"width=3\n", "f:1: should begin with the section [net], got \"width=3\""},
      {"[net]\nwidth=32\nheight=32\n", "should have at least one layer after [net]"},
      {with("width=32\n", ""), "f:1: [net] should have width"},
      {with("[shortcut]", "[gru]"),
       "f:14: layer should be one of convolutional, shortcut, route, upsample, maxpool, yolo, got "
       "[gru]"},
      {with("[shortcut]", "[shortcut"),
       "f:14: should be a section such as [convolutional], got \"[shortcut\""},
      {with("filters=8", "filters=x"),
       "f:6: filters of [convolutional] should be a whole number from 1 to"},
      {with("filters=8", "filters=-8"), "got \"-8\""},
      {with("filters=8", "filters=8.5"), "got \"8.5\""},
      {with("filters=8", "filters=99999999999999999999"), "f:6: filters"},
      {with("filters=8", "filters"), "f:6: should be key = value, got \"filters\""},
      {with("filters=8", "filters="), "f:6: should be key = value, got \"filters=\""},
      {with("size=3", "filters=3"), "f:7: \"filters\" should be given once, was already in line 6"},
      {with("size=3", "sise=3"), "f:7: key of [convolutional] should be one of"},
      {with("size=3\nstride=2\npad=1", "size=99\nstride=2"), "f:4: conv_0 should read at least 99"},
      {with("from=-2", "from=-9"),
       "f:15: from of [shortcut] should name a layer before this one, 0 to 1 or -2 to -1, got -9"},
      {with("from=-2", "from=2"), "got 2"},
      {with("from=-2\n", ""), "f:14: [shortcut] should have from"},
      {with("filters=8\nactivation=leaky\n[shortcut]",
            "filters=8\nstride=2\nactivation=leaky\n[shortcut]"),
       "f:15: shortcut_2: both inputs should have as many cells, got 8 × 8 × 8"},
      {with("activation=leaky", "activation=mish"),
       "f:10: activation should be linear, leaky, relu or logistic, got \"mish\""},
      {with("filters=14", "filters=13"), "f:20: yolo_4 should read 14 channels = 2 anchors"},
      {with("mask=0,1", "mask=0,2"), "f:21: mask of [yolo] should name anchors 0 to 1, got 2"},
      {with("mask=0,1", "mask=0,a"),
       "f:21: mask of [yolo] should be whole numbers separated by commas, got \"0,a\""},
      {with("8,9", "8"), "f:22: anchors of [yolo] should be pairs width,height, got 3 numbers"},
      {with("8,9", "8,-9"), "f:22: anchors of [yolo] should be positive, got 8,-9"},
      {with("8,9", "8,inf"), "f:22: anchors of [yolo] should be numbers separated by commas"},
      {with("num=2", "ignore_thresh=nan"),
       "f:24: ignore_thresh of [yolo] should be a number, got \"nan\""},
      {std::string("\0\0\1\n[net]", 9), "f:1: should be text, got a zero byte"},
      {with("num=2", "num=3"), "f:24: num of [yolo] should be 2, the number of anchors, got 3"},
      {with("num=2", "truth_thresh=.7"), "f:24: truth_thresh of [yolo] should be 1"},
      {kSmall + "[convolutional]\n", "f:25: conv_5 should not read yolo_4"},
      {kSmall + "[route]\nlayers=0,9\n",
       "f:26: layers of [route] should name a layer before this one"},
      {with("width=32", "width=320000"), "f:2: width of [net] should be a whole number from 1 to"},
  }));
  INFO(text);
  CHECK_THROWS_MATCHES(parse_cfg(text, "f"), Error, MessageMatches(ContainsSubstring(message)));
}

TEST_CASE("a missing cfg file is refused by name", "[model][cfg][errors]") {
  const test::Scratch folder;
  CHECK_THROWS_MATCHES(load_cfg(folder / "none.cfg"), Error,
                       MessageMatches(ContainsSubstring("none.cfg: should be")));
  CHECK_THROWS_MATCHES(load_cfg(folder.path()), Error,
                       MessageMatches(ContainsSubstring("should be a file, got a folder")));
}

TEST_CASE("damaged cfg text never crashes the parser", "[model][cfg][property]") {
  // Every truncation, and every line left out, either parses or raises Error.
  const auto survives = [](const std::string& text) {
    try {
      parse_cfg(text, "f");
    } catch (const Error&) {
    }
  };
  for (std::size_t length = 0; length < kSmall.size(); ++length) survives(kSmall.substr(0, length));
  for (std::size_t begin = 0, end; (end = kSmall.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    survives(kSmall.substr(0, begin) + kSmall.substr(end + 1));
  SUCCEED();
}
