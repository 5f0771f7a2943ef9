#include "serpette/graph/channels.hpp"

#include "serpette/formats/darknet/cfg.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/graph/footprint.hpp"
#include "support/catch.hpp"

using namespace serpette;

namespace {
Graph real(const std::string& name) {
  return load_cfg(serpette::test::real_data() / "darknet" / name);
}

const std::string kNet = "[net]\nwidth=8\nheight=8\nchannels=3\n";
std::string conv(int filters, const std::string& more = "") {
  return "[convolutional]\nfilters=" + std::to_string(filters) +
         "\nsize=3\nstride=1\npad=1\nactivation=leaky\n" + more;
}
const std::string kHead =
    "[convolutional]\nfilters=6\nsize=1\nstride=1\npad=1\nactivation=linear\n"
    "[yolo]\nmask=0\nanchors=1,1\nclasses=1\nnum=1\n";
Graph graph(const std::string& layers) { return parse_cfg(kNet + layers, "test"); }
std::vector<std::vector<bool>> all_kept(const Graph& g) {
  std::vector<std::vector<bool>> kept;
  for (const int i : g.convolutions())
    kept.emplace_back(std::size_t(g[i].as<Convolutional>()->filters), true);
  return kept;
}
}  // namespace

TEST_CASE("YOLOv3's 23 shortcuts make 5 groups of 28 convolutions", "[core][channels]") {
  const auto g = real("yolov3.cfg");
  std::size_t groups = 0, members = 0, exempt = 0, filters = 0, all = 0;
  for (const auto& group : coupled_channels(g)) {
    if (group.convolutions.size() > 1) ++groups, members += group.convolutions.size();
    if (!group.removable) exempt += group.channels.size();
    for (const auto& channel : group.channels) {
      CHECK(channel.size() == group.convolutions.size());
      filters += channel.size();
    }
  }
  for (const int i : g.convolutions()) all += std::size_t(g[i].as<Convolutional>()->filters);
  CHECK(g.all<Shortcut>().size() == 23);
  CHECK(groups == 5);
  CHECK(members == 28);
  CHECK(exempt == 3 * 255);
  CHECK(filters == all);
}

TEST_CASE("YOLOv3-tiny couples nothing", "[core][channels]") {
  const auto g = real("yolov3-tiny.cfg");
  std::size_t exempt = 0;
  const auto groups = coupled_channels(g);
  CHECK(groups.size() == 13);
  for (const auto& group : groups) {
    CHECK(group.convolutions.size() == 1);
    exempt += group.removable ? 0 : group.channels.size();
  }
  CHECK(exempt == 2 * 255);
}

TEST_CASE("footprints are darknet's", "[core][footprint]") {
  // The published weight files hold 248,007,048 and 35,434,956 bytes: a header of 20 and one float
  // per parameter. Darknet's page gives 65.86 and 5.56 billion operations at 416.
  auto full = real("yolov3.cfg");
  CHECK(parameters(full) == (248'007'048 - 20) / 4);
  const auto tiny = real("yolov3-tiny.cfg");
  CHECK(parameters(tiny) == (35'434'956 - 20) / 4);
  CHECK(double(macs(tiny)) * 2e-9 == Catch::Approx(5.56).margin(5e-3));
  const double area = 416.0 * 416 / (608.0 * 608);
  CHECK(double(macs(full)) * 2e-9 * (full.input.width == 608 ? area : 1) ==
        Catch::Approx(65.86).margin(5e-3));
}

TEST_CASE("a shortcut couples channel by channel, through a concatenation too",
          "[core][channels]") {
  // conv_0 (4) + conv_1 (2) are concatenated and added to conv_3 (6).
  const auto g = graph(conv(4) + conv(2) + "[route]\nlayers=-1,0\n" + conv(6) +
                       "[shortcut]\nfrom=-2\nactivation=linear\n" + kHead);
  const auto groups = coupled_channels(g);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].convolutions == std::vector<int>{0, 2});
  CHECK((groups[0].channels[1] == CoupledFilters{{0, 1}, {2, 3}}));  // behind conv_1's two
  CHECK(groups[1].convolutions == std::vector<int>{1, 2});
  CHECK((groups[1].channels == std::vector<CoupledFilters>{{{1, 0}, {2, 0}}, {{1, 1}, {2, 1}}}));
  CHECK_FALSE(groups[2].removable);
}

TEST_CASE("depthwise and grouped convolutions couple their inputs", "[core][channels]") {
  const auto g = graph(conv(4) + conv(8, "groups=4\n") + conv(6, "groups=2\n") + kHead);
  const auto groups = coupled_channels(g);
  // conv_0's filter i feeds conv_1's 2i and 2i + 1, and conv_2 reads conv_1 in two halves that stay
  // parallel: channels i and i + 4 of conv_1, so filters 0 and 2, and 1 and 3, of conv_0.
  REQUIRE(groups.size() == 3);
  CHECK((groups[0].channels ==
         std::vector<CoupledFilters>{{{0, 0}, {0, 2}, {1, 0}, {1, 1}, {1, 4}, {1, 5}},
                                     {{0, 1}, {0, 3}, {1, 2}, {1, 3}, {1, 6}, {1, 7}}}));
  CHECK((groups[1].channels ==
         std::vector<CoupledFilters>{{{2, 0}, {2, 3}}, {{2, 1}, {2, 4}}, {{2, 2}, {2, 5}}}));

  auto kept = all_kept(g);
  for (const auto& f : groups[0].channels[1])
    kept[std::size_t(f.convolution)][std::size_t(f.filter)] = false;
  for (const auto& f : groups[1].channels[0])
    kept[std::size_t(f.convolution)][std::size_t(f.filter)] = false;
  const auto plan = plan_compaction(g, kept);
  CHECK(plan.graph[0].as<Convolutional>()->filters == 2);
  CHECK(plan.graph[1].as<Convolutional>()->filters == 4);
  CHECK(plan.graph[1].as<Convolutional>()->groups == 2);
  CHECK(plan.graph[2].as<Convolutional>()->filters == 4);
  CHECK(plan.graph[2].as<Convolutional>()->groups == 2);
  CHECK(plan.convolutions[1].filters == std::vector<std::int64_t>{0, 1, 4, 5});
  CHECK(plan.convolutions[1].inputs == std::vector<std::int64_t>{0});
  CHECK(plan.convolutions[2].inputs == std::vector<std::int64_t>{0, 1});
  CHECK(plan.convolutions[3].inputs == std::vector<std::int64_t>{1, 2, 4, 5});
  CHECK(parse_cfg(write_cfg(plan.graph), "again")[2].output == plan.graph[2].output);
}

TEST_CASE("what the image, a logistic activation or an output touches stays", "[core][channels]") {
  const auto removable = [](const Graph& g, int convolution) {
    for (const auto& group : coupled_channels(g))
      for (const auto& channel : group.channels)
        if (channel.front().convolution == convolution) return group.removable;
    return false;
  };
  CHECK(removable(graph(conv(4) + kHead), 0));
  CHECK_FALSE(removable(graph(conv(4) + kHead), 1));
  CHECK_FALSE(removable(graph(conv(4)), 0));                        // nobody reads it: an output
  CHECK_FALSE(removable(graph(conv(3, "groups=3\n") + kHead), 0));  // depthwise on the image
  CHECK_FALSE(removable(
      graph("[convolutional]\nfilters=4\nsize=1\nstride=1\nactivation=logistic\n" + kHead), 0));
  CHECK_FALSE(removable(
      graph(conv(4) + conv(4) + "[shortcut]\nfrom=-2\nactivation=logistic\n" + kHead), 0));
}

TEST_CASE("compaction follows routes, parts of routes and pooling", "[core][compaction]") {
  const auto g =
      graph(conv(4) + conv(6) + "[route]\nlayers=-1,0\n" + "[maxpool]\nsize=2\nstride=2\n" +
            "[upsample]\nstride=2\n" + "[route]\nlayers=1\ngroups=2\ngroup_id=1\n" +
            "[route]\nlayers=-1,-2\n" + kHead);
  auto kept = all_kept(g);
  kept[0] = {true, false, true, true};
  kept[1] = {false, true, true, false, true, true};  // parallel in both halves
  const auto plan = plan_compaction(g, kept);
  CHECK(plan.convolutions[1].inputs == std::vector<std::int64_t>{0, 2, 3});
  // The head reads conv_1's upper half (3 of 10), then all of conv_1 (6) and conv_0 (4).
  CHECK(plan.convolutions[2].inputs == std::vector<std::int64_t>{1, 2, 4, 5, 7, 8, 9, 11, 12});
  CHECK(plan.graph[5].output.channels == 2);
  CHECK(plan.graph[6].output.channels == 9);
  const auto again = parse_cfg(write_cfg(plan.graph), "again");
  for (int i = 0; i < g.size(); ++i) CHECK(again[i].output == plan.graph[i].output);
}

TEST_CASE("compaction refuses what would not fit", "[core][compaction]") {
  const auto g = graph(conv(4) + conv(4) + "[shortcut]\nfrom=-2\nactivation=linear\n" + kHead);
  const auto refused = [&](auto change, const std::string& message) {
    auto kept = all_kept(g);
    change(kept);
    CHECK_THROWS_WITH(plan_compaction(g, kept), Catch::Matchers::ContainsSubstring(message));
  };
  refused([](auto& kept) { kept[0][1] = false; },
          "shortcut_2: coupled filters should be removed together");
  refused([](auto& kept) { kept[0][1] = kept[1][2] = false; }, "shortcut_2: coupled filters");
  refused(
      [](auto& kept) {
        kept[0].assign(4, false);
        kept[1].assign(4, false);
      },
      "conv_0: should keep at least one");
  refused([](auto& kept) { kept[2][0] = false; },
          "yolo_4: a head should keep all its 6 outputs, got 5");
  refused([](auto& kept) { kept[1].pop_back(); }, "conv_1: should be told 4 filters, got 3");
  refused([](auto& kept) { kept.pop_back(); },
          "should be told the filters of 3 convolutions, got 2");
  auto kept = all_kept(g);
  kept[0][1] = kept[1][1] = false;
  CHECK(plan_compaction(g, kept).graph[2].output.channels == 3);

  const auto halves = graph(conv(4) + "[route]\nlayers=0\ngroups=2\ngroup_id=0\n" + kHead);
  auto one = all_kept(halves);
  one[0][3] = false;
  CHECK_THROWS_WITH(plan_compaction(halves, one),
                    Catch::Matchers::ContainsSubstring("route_1: the 2 parts"));
  const auto grouped = graph(conv(4) + conv(4, "groups=2\n") + kHead);
  auto two = all_kept(grouped);
  two[0][3] = false;
  CHECK_THROWS_WITH(plan_compaction(grouped, two),
                    Catch::Matchers::ContainsSubstring("conv_1: its 2 groups"));
}
