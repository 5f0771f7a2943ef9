#include "serpette/formats/darknet/cfg.hpp"

#include "serpette/graph/compaction.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/io/atomic_file.hpp"
#include "serpette/io/voc_xml.hpp"
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
      REQUIRE(std::tie(x->anchors, x->mask, x->classes, x->ignore_thresh, x->truth_thresh,
                       x->scale_x_y) == std::tie(y->anchors, y->mask, y->classes, y->ignore_thresh,
                                                 y->truth_thresh, y->scale_x_y));
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

TEST_CASE("darknet's cfg gives a typed graph with shapes", "[formats][cfg]") {
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

TEST_CASE("the shipped cfg files parse and survive a rewrite", "[formats][cfg]") {
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

TEST_CASE("unmodified darknet cfg files parse", "[formats][cfg][real]") {
  const auto folder = test::real_data() / "darknet";
  for (const auto* name : {"yolov3.cfg", "yolov3-tiny.cfg", "yolov3-tiny-mask012.cfg"}) {
    const auto graph = load_cfg(folder / name);
    require_equal(graph, parse_cfg(write_cfg(graph), "rewritten"));
  }
  auto ours = load_cfg(examples / "yolov3-tiny.cfg");
  require_equal(ours, load_cfg(folder / "yolov3-tiny.cfg"));
}

TEST_CASE("rare settings survive a rewrite", "[formats][cfg]") {
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

TEST_CASE("a faulty cfg is refused with file, line, expected and found", "[formats][cfg][errors]") {
  REQUIRE_NOTHROW(parse_cfg(kSmall, "f"));
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"", "f: should begin with the section [net], got an empty file"},
      {"[convolutional]\n", "f: should begin with the section [net], got [convolutional]"},
      {"width=3\n", "f:1: should begin with the section [net], got \"width=3\""},
      {"[net]\nwidth=32\nheight=32\n", "should have at least one layer after [net]"},
      {with("width=32\n", ""), "f:1: [net] should have width"},
      {with("[shortcut]", "[gru]"),
       "f:14: layer should be one of convolutional, shortcut, route, upsample, maxpool, yolo, sam, "
       "avgpool, scale_channels, dropout, got [gru]"},
      {with("[shortcut]", "[shortcut"),
       "f:14: should be a section such as [convolutional], got \"[shortcut\""},
      {with("filters=8", "filters=x"),
       "f:6: filters of [convolutional] should be a whole number from 1 to"},
      {with("filters=8", "filters=-8"), "got \"-8\""},
      {with("filters=8", "filters=8.5"), "got \"8.5\""},
      {with("filters=8", "filters=99999999999999999999"), "f:6: filters"},
      {with("filters=8", "filters"), "f:6: should be key = value, got \"filters\""},
      {with("filters=8", "filters="), "f:6: should be key = value, got \"filters=\""},
      {with("num=2", "new_coords=1"),
       "f:20: yolo_4 with new_coords=1 should read a convolution with activation=logistic"},
      {with("num=2", "scale_x_y=0"), "f:24: scale_x_y of [yolo] should be from 1 to 4, got 0"},
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
      {with("activation=leaky", "activation=maxout"),
       "f:10: activation should be one of linear, leaky, relu, logistic, mish, swish, got "
       "\"maxout\""},
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
      {with("num=2", "num=1"), "f:24: num of [yolo] should be 2, the number of anchors, got 1"},
      {with("num=2", "truth_thresh=.7"), "f:24: truth_thresh of [yolo] should be 1"},
      {kSmall + "[convolutional]\n", "f:25: conv_5 should not read yolo_4"},
      {kSmall + "[route]\nlayers=0,9\n",
       "f:26: layers of [route] should name a layer before this one"},
      {with("width=32", "width=320000"), "f:2: width of [net] should be a whole number from 1 to"},
  }));
  INFO(text);
  CHECK_THROWS_MATCHES(parse_cfg(text, "f"), Error, MessageMatches(ContainsSubstring(message)));
}

TEST_CASE("keys that serpette does not interpret survive", "[formats][cfg]") {
  const auto graph = parse_cfg(with("num=2", "num=2\njitter=.3\nrandom=1\nmax=90") + "", "carried");
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  CHECK((graph[4].carried == Pairs{{"jitter", ".3"}, {"random", "1"}, {"max", "90"}}));
  const auto frozen = parse_cfg(with("filters=8", "filters=8\nstopbackward=1"), "carried");
  CHECK((frozen[0].carried == Pairs{{"stopbackward", "1"}}));

  // Through compaction and a rewrite.
  std::vector<std::vector<bool>> kept(3, std::vector<bool>(8, true));
  kept[0][2] = kept[1][2] = false;
  kept[2].resize(14, true);
  const auto text = write_cfg(plan_compaction(graph, kept).graph);
  for (const auto* line : {"jitter=.3\n", "random=1\n", "max=90\n", "filters=7\n"})
    CHECK_THAT(text, ContainsSubstring(line));
  require_equal(parse_cfg(text, "again"), plan_compaction(graph, kept).graph);
}

TEST_CASE("a network of grey pictures is told what to do", "[formats][cfg]") {
  const test::Scratch folder;
  write_file(folder / "grey.cfg", std::string_view("[net]\nwidth=32\nheight=32\nchannels=1\n"
                                                   "[convolutional]\nfilters=8\n"));
  CHECK_THROWS_WITH(
      load_cfg(folder / "grey.cfg"),
      ContainsSubstring("grey.cfg:4: channels of [net]") && ContainsSubstring("--color greyscale"));
}

TEST_CASE("dialects of darknet are read as darknet reads them", "[formats][cfg]") {
  const auto graph =
      parse_cfg("\xEF\xBB\xBF" + with("width=32\n", "batch=1\nwidth=32\nbatch=64\nwidth=8\n"), "f");
  CHECK(graph.input.width == 32);
  CHECK(std::count(graph.net.begin(), graph.net.end(),
                   std::pair<std::string, std::string>("batch", "1")) == 1);
  CHECK_THAT(write_cfg(graph), !ContainsSubstring("batch=64"));
  const auto scaled =
      parse_cfg(with("num=2", "scale_x_y = 1.05\niou_loss=ciou\nnew_coords=0"), "f");
  CHECK_NOTHROW(parse_cfg(with("num=2", "num=20"), "f"));
  const auto dropped = parse_cfg(with("[shortcut]", "[dropout]\nprobability=.5\n[shortcut]"), "f");
  CHECK((dropped[2].as<Route>() && dropped[2].inputs == std::vector{1}));
  CHECK_THAT(write_cfg(dropped), ContainsSubstring("\n[dropout]\nprobability=.5\n\n[shortcut]"));
  require_equal(parse_cfg(write_cfg(dropped), "again"), dropped);
  CHECK_THAT(write_cfg(parse_cfg(with("[shortcut]", "[dropout]\n[shortcut]"), "f")),
             ContainsSubstring("[dropout]\nprobability=0.2\n"));
  CHECK(scaled.head(4).scale_x_y == 1.05F);
  CHECK_THAT(write_cfg(scaled), ContainsSubstring("scale_x_y=1.05\niou_loss=ciou\n"));
}

TEST_CASE("heads of probabilities and gates are read and written", "[formats][cfg]") {
  const std::string gates =
      "[net]\nwidth=32\nheight=32\nchannels=3\n"
      "[convolutional]\nfilters=8\nsize=3\npad=1\n[avgpool]\n"
      "[convolutional]\nfilters=8\nactivation=logistic\n[scale_channels]\nfrom=-3\n"
      "[convolutional]\nfilters=8\nactivation=logistic\n[sam]\nfrom=-2\n"
      "[convolutional]\nfilters=7\nactivation=logistic\n"
      "[yolo]\nmask=0\nanchors=4,5\nclasses=2\nnew_coords=1\n";
  const auto graph = parse_cfg(gates, "f");
  CHECK(graph[1].output == Shape{8, 1, 1});
  CHECK(graph[3].as<Product>()->by_channel);
  CHECK(graph[3].output == Shape{8, 32, 32});
  CHECK((graph[3].inputs == std::vector{2, 0}));
  CHECK_FALSE(graph[5].as<Product>()->by_channel);
  CHECK(graph.head(7).new_coords);
  CHECK(graph.convolution(6).activation == Activation::kLinear);  // heads read logits
  const auto text = write_cfg(graph);
  CHECK_THAT(text,
             ContainsSubstring("[scale_channels]\nfrom=-3\n") &&
                 ContainsSubstring("[sam]\nfrom=-2\n") &&
                 ContainsSubstring("filters=7\nsize=1\nstride=1\npad=1\nactivation=logistic"));
  CHECK(write_cfg(parse_cfg(text, "again")) == text);
  const auto refused = [&](const std::string& what, const std::string& by, const char* says) {
    auto changed = gates;
    changed.replace(changed.find(what), what.size(), by);
    CHECK_THROWS_WITH(parse_cfg(changed, "f"), ContainsSubstring(says));
  };
  refused("[avgpool]", "[maxpool]",
          "scale_channels_3 should multiply 8 × 32 × 32 of layer 0 with 8 × 1 × 1, got");
  refused("from=-2", "from=-4", "sam_5 should multiply 8 × 1 × 1 of layer 1 with");
  refused("from=-2", "from=-2\nactivation=leaky", "activation of [sam] should be linear");
  refused("from=-3", "from=-3\nscale_wh=1", "scale_wh of [scale_channels] should be 0");
}

TEST_CASE("a shortcut is as wide as its first input, as in darknet", "[formats][cfg]") {
  const auto graph = parse_cfg(
      with("filters=8\nactivation=leaky\n[shortcut]", "filters=5\nactivation=leaky\n[shortcut]"),
      "uneven");
  CHECK(graph[2].output == Shape{5, 16, 16});
  require_equal(graph, parse_cfg(write_cfg(graph), "again"));
}

TEST_CASE("no number of channels, cells or multiply-adds runs over", "[formats][cfg][errors]") {
  const auto refused = [](const std::string& layers, const std::string& message,
                          const std::string& net = "width=8\nheight=8\n") {
    CHECK_THROWS_MATCHES(parse_cfg(fmt::format("[net]\n{}{}", net, layers), "f"), Error,
                         MessageMatches(ContainsSubstring(message)));
  };
  std::string route = "[convolutional]\nfilters=1048576\nsize=8\nstride=8\n[route]\nlayers=0";
  for (int i = 1; i < 4097; ++i) route += ",0";
  refused(route + "\n", "f:8: route_1 should make at most 1048576 of anything, got 4296015872 × 1");
  refused("[convolutional]\nfilters=1048576\n[convolutional]\nfilters=1048576\n",
          "conv_1 should have less than 2^31 weights, got 1048576 × 1048576");
  refused("[upsample]\nstride=1024\n[upsample]\nstride=1024\n", "upsample_1 should make at most");
  refused("[convolutional]\nfilters=1048576\n", "conv_0 should make at most 2147483647 numbers",
          "width=32768\nheight=32768\nchannels=1\n");
  refused("[maxpool]\n", "the image should have at most 2147483647 numbers",
          "width=32768\nheight=32768\nchannels=3\n");
}

TEST_CASE("a long cfg takes time by its length alone", "[formats][cfg]") {
  std::string layers = "[net]\nwidth=8\nheight=8\n", keys = layers;
  for (int i = 0; i < 100'000; ++i) {
    layers += "[maxpool]\nsize=1\n";
    keys += fmt::format("k{}={}\n", i, i);
  }
  CHECK(parse_cfg(layers, "long").size() == 100'000);  // minutes when it was quadratic
  CHECK(parse_cfg(keys + "[maxpool]\nsize=1\n", "long").net.size() == 100'002);
}

TEST_CASE("a missing cfg file is refused by name", "[formats][cfg][errors]") {
  const test::Scratch folder;
  CHECK_THROWS_MATCHES(load_cfg(folder / "none.cfg"), Error,
                       MessageMatches(ContainsSubstring("none.cfg: should be")));
  CHECK_THROWS_MATCHES(load_cfg(folder.path()), Error,
                       MessageMatches(ContainsSubstring("should be a file, got a folder")));
}

TEST_CASE("damaged cfg text never crashes the parser", "[formats][cfg][property]") {
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

TEST_CASE("annotations read alike behind the headers of networks", "[formats][cfg][voc_xml]") {
  const test::Scratch folder;
  write_file(folder / "1.xml",  // as pretty printers break lines
             std::string_view("<annotation>\n<object>\n<name>\n\tdog\n</name>\n<bndbox>"
                              "<xmin>\n1\n</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax>"
                              "</bndbox>\n</object>\n</annotation>\n"));
  const auto found = load_voc(folder.path());
  REQUIRE(found.annotations.size() == 1);
  CHECK(found.categories.at(0).name == "dog");
}
