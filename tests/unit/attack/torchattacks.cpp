#include <fstream>
#include <nlohmann/json.hpp>

#include "serpette/attack/apgd.hpp"
#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/torch/nn.hpp"
#include "support/catch.hpp"
#include "support/perturbed.hpp"

using namespace serpette;

namespace {

at::Tensor tensor(const nlohmann::json& nested, at::IntArrayRef shape) {
  const auto flat = nested.flatten();
  std::vector<double> numbers(static_cast<std::size_t>(c10::multiply_integers(shape)));
  REQUIRE(flat.size() == numbers.size());
  for (const auto& [path, value] : flat.items()) {  // "/1/0/2/3", not in numerical order
    std::int64_t place = 0, axis = 0;
    std::stringstream parts(path.substr(1));
    for (std::string part; std::getline(parts, part, '/'); ++axis)
      place = place * shape[static_cast<std::size_t>(axis)] + std::stoll(part);
    numbers[static_cast<std::size_t>(place)] = value.get<double>();
  }
  return torch::tensor(numbers, torch::kDouble).view(shape);
}

}  // namespace

TEST_CASE("FGSM and PGD take torchattacks' steps", "[attack][golden]") {
  const auto golden = nlohmann::json::parse(std::ifstream(test::file("golden/attacks.json")));
  const auto apgd = nlohmann::json::parse(std::ifstream(test::file("golden/apgd.json")));
  const auto weight = tensor(golden["weight"], {4, 3, 3, 3}),
             readout = tensor(golden["readout"], {3, 144});
  const auto images = tensor(golden["images"], {2, 3, 6, 6});
  const auto labels = torch::tensor(golden["labels"].get<std::vector<std::int64_t>>());
  const Victim victim = [&](const at::Tensor& x, const Aim&) {
    const auto in = x.detach().clone().set_requires_grad(true);
    const auto hidden = torch::softplus(torch::conv2d(in, weight, {}, 1, 1));
    const auto loss = torch::cross_entropy_loss(hidden.flatten(1).mm(readout.t()), labels, {},
                                                at::Reduction::None);
    return Ascent{loss.detach(), torch::autograd::grad({loss.sum()}, {in})[0]};
  };
  const auto check = [&](const std::string& name, const auto& attack) {
    INFO(name);
    const auto& found = golden["attacks"].contains(name) ? golden["attacks"] : apgd;
    const auto expected = tensor(found[name], {2, 3, 6, 6});
    CHECK((expected - images).abs().max().item<double>() > 0.04);
    const at::Tensor attacked = test::perturbed(attack, victim, images);
    CHECK((attacked - expected).abs().max().item<double>() < 1e-6);
  };
  check("FGSM", Fgsm{});
  check("PGD", Pgd{});
  check("PGD 50", Pgd{.steps = 50});
  for (const int steps : {9, 30, 50, 100})
    check(std::to_string(steps), Apgd{.steps = steps, .random_start = false});
  check("PGD L2", Pgd{.epsilon = 0.5, .step = 0.2, .norm = Norm::kL2});
}
