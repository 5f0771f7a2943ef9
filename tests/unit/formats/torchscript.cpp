#include "serpette/formats/torchscript/write_torchscript.hpp"

#include <torch/script.h>

#include <sstream>

#include "serpette/deploy/folded_network.hpp"
#include "support/catch.hpp"
#include "support/random_graph.hpp"
#include "support/reference_network.hpp"
#include "support/small_graphs.hpp"

using namespace serpette;
using serpette::test::ReferenceNetwork;
using serpette::test::relative_error;

namespace {

std::vector<at::Tensor> run(const std::string& bytes, const at::Tensor& images) {
  std::istringstream stream(bytes);
  auto module = torch::jit::load(stream);
  const torch::NoGradGuard no_grad;
  return module.forward({images}).toTensorVector();
}

}  // namespace

TEST_CASE("a TorchScript module computes what the network computes, on random graphs",
          "[formats][torchscript]") {
  for (std::uint64_t i = 0; i < 15; ++i) {
    const ReferenceNetwork network(i == 0 ? test::all_kinds() : test::random_graph(Seed(i)),
                                   Seed(i));
    INFO("graph " << i << "\n" << write_cfg(network.graph()));
    const auto& in = network.graph().input;
    Generator rng(Seed(5));
    const auto images = at::rand({2, in.channels, in.height, in.width}, rng.torch());
    const auto expected = network.forward(images);
    CHECK(relative_error(run(write_torchscript(network), images), expected) < 1e-5);
    CHECK(relative_error(run(write_torchscript(deploy::FoldedNetwork(network)), images), expected) <
          1e-5);
  }
}

TEST_CASE("the cfg goes with a TorchScript module", "[formats][torchscript]") {
  const ReferenceNetwork network(test::all_kinds(), Seed(1));
  std::istringstream stream(write_torchscript(network));
  torch::jit::ExtraFilesMap files{{"darknet_cfg", ""}};
  const auto module = torch::jit::load(stream, std::nullopt, files);
  CHECK(files.at("darknet_cfg") == write_cfg(network.graph()));
  CHECK_THROWS_WITH(write_torchscript(ReferenceNetwork(
                        test::GraphBuilder({3, 8, 8}).conv({.filters = 4}).done(), Seed(1))),
                    "TorchScript: should be written of a network with a head, got none");
}
