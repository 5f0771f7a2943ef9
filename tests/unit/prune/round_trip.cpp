// A pruned network as files: what other programs get.

#include <fstream>

#include "serpette/detector/yolov3.hpp"
#include "serpette/laws/prune_granularity.hpp"
#include "serpette/prune/filter.hpp"
#include "support/catch.hpp"
#include "support/reference_network.hpp"
#include "support/scratch.hpp"

using namespace serpette;
using serpette::test::relative_error;

namespace {

/// With SERPETTE_EXPORT set to a folder, files and answers are kept for
/// tests/golden/opencv_reads_pruned.py.
void keep(const std::filesystem::path& folder, const std::string& name, const at::Tensor& tensor) {
  std::ofstream file(folder / name, std::ios::binary);
  const auto t = tensor.contiguous();
  file.write(static_cast<const char*>(t.const_data_ptr()),
             static_cast<std::streamsize>(t.nbytes()));
}

}  // namespace

TEST_CASE("a pruned network is saved and loaded as cfg and weights",
          "[granularity][filter][compaction]") {
  const at::NoGradGuard no_grad;
  auto graph = load_cfg(std::filesystem::path(SERPETTE_TESTS).parent_path() /
                        "share/cfg/yolov3-quarter.cfg");
  graph.input = {3, 128, 128};
  const serpette::test::ReferenceNetwork random(parse_cfg(write_cfg(graph), "quarter"), Seed(3));
  Yolov3 net(random.graph(), Seed(3));
  serpette::test::copy_parameters(random, net);
  const auto mask = make_mask(net.graph(), laws::random_scores(net.graph(), Seed(4)),
                              Ratio::percent(60), Filter{});
  auto small = net.compact(mask);
  Generator rng(Seed(5));
  const auto images = at::rand({1, 3, 128, 128}, rng.torch());
  const auto expected = random.masked(mask).forward(images);
  CHECK(relative_error(small.forward(images), expected) < 1e-5);

  const serpette::test::Scratch scratch;
  const char* chosen = std::getenv("SERPETTE_EXPORT");
  const std::filesystem::path folder =
      chosen != nullptr ? std::filesystem::path(chosen) : scratch.path();
  small.save(folder / "pruned.cfg", folder / "pruned.weights");
  auto loaded = Yolov3::load(folder / "pruned.cfg", folder / "pruned.weights");
  const auto heads = loaded.forward(images);
  CHECK(relative_error(heads, small.forward(images)) == 0);
  CHECK(loaded.graph().convolutions() == graph.convolutions());

  if (chosen == nullptr) return;
  keep(folder, "image.f32", images);
  for (std::size_t h = 0; h < heads.size(); ++h)
    keep(folder, fmt::format("{}.f32", graph[graph[graph.heads()[h]].inputs[0]].name), heads[h]);
}
