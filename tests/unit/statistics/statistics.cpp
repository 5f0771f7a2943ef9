// Every test against SciPy, statsmodels and pingouin on the random samples of
// tests/golden/stat_tests.py.

#include "serpette/core/quantile.hpp"
#include "serpette_report/statistics/anova.hpp"
#include "serpette_report/statistics/assumptions.hpp"
#include "serpette_report/statistics/blocked_anova.hpp"
#include "serpette_report/statistics/describe.hpp"
#include "serpette_report/statistics/effect_size.hpp"
#include "serpette_report/statistics/holm.hpp"
#include "serpette_report/statistics/kruskal_wallis.hpp"
#include "serpette_report/statistics/pairwise.hpp"
#include "serpette_report/statistics/power.hpp"
#include "serpette_report/statistics/studentized_range.hpp"

#include "serpette/io/read_file.hpp"
#include "support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace serpette;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

const nlohmann::json& golden() {
  static const auto data = nlohmann::json::parse(read_file(test::file("golden/stat_tests.json")));
  return data;
}

/// One of the random cases, by GENERATE; its number shows in failures.
const nlohmann::json& any_case() {
  const auto index = GENERATE(range(0, 25));
  UNSCOPED_INFO("case " << index);
  return golden()["cases"].at(static_cast<std::size_t>(index));
}

double number(const nlohmann::json& value) { return value.get<double>(); }

}  // namespace

TEST_CASE("closed forms equal SciPy's, statsmodels' and pingouin's", "[statistics][golden]") {
  const auto& c = any_case();
  const Groups groups = c["groups"];
  const auto anova = one_way_anova(groups);
  CHECK_THAT(anova.statistic, WithinRel(number(c["anova"][0]), 1e-9));
  CHECK_THAT(anova.p, WithinRel(number(c["anova"][1]), 1e-9));
  CHECK_THAT(anova.eta_squared, WithinRel(number(c["anova"][2]), 1e-9));
  const auto welch = welch_anova(groups);
  CHECK_THAT(welch.statistic, WithinRel(number(c["welch"][0]), 1e-9));
  CHECK_THAT(welch.df2, WithinRel(number(c["welch"][1]), 1e-9));
  CHECK_THAT(welch.p, WithinRel(number(c["welch"][2]), 1e-9));
  const auto kruskal = kruskal_wallis(groups);
  CHECK_THAT(kruskal.statistic, WithinRel(number(c["kruskal"][0]), 1e-9));
  CHECK_THAT(kruskal.p, WithinRel(number(c["kruskal"][1]), 1e-9));
  const auto by_mean = levene(groups, Center::kMean), by_median = levene(groups);
  CHECK_THAT(by_mean.statistic, WithinRel(number(c["levene_mean"][0]), 1e-9));
  CHECK_THAT(by_mean.p, WithinRel(number(c["levene_mean"][1]), 1e-9));
  CHECK_THAT(by_median.statistic, WithinRel(number(c["levene_median"][0]), 1e-9));
  CHECK_THAT(by_median.p, WithinRel(number(c["levene_median"][1]), 1e-9));
  CHECK_THAT(hedges_g(groups[0], groups[1]), WithinRel(number(c["hedges"]), 1e-9));
}

TEST_CASE("Shapiro-Wilk equals SciPy's", "[statistics][golden]") {
  const auto& c = any_case();
  const Groups groups = c["groups"];
  // SciPy's own normal distribution in this test has nine digits.
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto result = shapiro_wilk(groups[i]);
    CHECK_THAT(result.statistic, WithinRel(number(c["shapiro"][i][0]), 1e-9));
    CHECK_THAT(result.p, WithinRel(number(c["shapiro"][i][1]), 1e-6));
  }
}

TEST_CASE("pairs by Tukey-Kramer and Games-Howell equal SciPy's and pingouin's",
          "[statistics][golden]") {
  const auto& c = any_case();
  const Groups groups = c["groups"];
  const auto tukey = tukey_kramer(groups);
  REQUIRE(tukey.size() == c["tukey"].size());
  for (std::size_t i = 0; i < tukey.size(); ++i) {
    CHECK_THAT(tukey[i].difference, WithinAbs(number(c["tukey"][i][0]), 1e-9));
    CHECK_THAT(tukey[i].p, WithinAbs(number(c["tukey"][i][1]), 1e-6));
    CHECK_THAT(tukey[i].low,
               WithinAbs(number(c["tukey"][i][2]), 1e-5));  // SciPy's root is found to that
    CHECK_THAT(tukey[i].high, WithinAbs(number(c["tukey"][i][3]), 1e-5));
  }
  const auto games = games_howell(groups);
  REQUIRE(games.size() == c["games"].size());
  for (std::size_t i = 0; i < games.size(); ++i) {
    CHECK_THAT(games[i].difference, WithinAbs(number(c["games"][i][0]), 1e-9));
    CHECK_THAT(games[i].p, WithinAbs(number(c["games"][i][1]), 1e-6));
  }
}

TEST_CASE("bootstrap intervals equal NumPy's on the same resamples", "[statistics][golden]") {
  const auto& c = any_case();
  const Groups groups = c["groups"];
  const Resamples resamples{c["bootstrap"]["first"], c["bootstrap"]["second"]};
  const auto [low, high] = bootstrap_interval(groups[0], groups[1], hedges_g, resamples);
  CHECK_THAT(low, WithinRel(number(c["bootstrap"]["interval"][0]), 1e-9));
  CHECK_THAT(high, WithinRel(number(c["bootstrap"]["interval"][1]), 1e-9));
}

TEST_CASE("eta squared's bootstrap interval and Welch's interval equal pingouin's and SciPy's",
          "[statistics][golden]") {
  const auto& c = any_case();
  const Groups groups = c["groups"];
  const Resamples resamples{c["bootstrap"]["first"], c["bootstrap"]["second"]};
  const auto [low, high] = bootstrap_interval(groups[0], groups[1], eta_squared, resamples);
  CHECK_THAT(low, WithinAbs(number(c["bootstrap"]["eta_interval"][0]), 1e-9));
  CHECK_THAT(high, WithinRel(number(c["bootstrap"]["eta_interval"][1]), 1e-9));
  const auto [from, to] = welch_interval(groups[0], groups[1]);
  CHECK_THAT(from, WithinRel(number(c["welch_interval"][0]), 1e-9));
  CHECK_THAT(to, WithinRel(number(c["welch_interval"][1]), 1e-9));
  CHECK_THAT(eta_squared(groups[0], groups[1]),
             WithinRel(one_way_anova({groups[0], groups[1]}).eta_squared, 1e-12));
}

TEST_CASE("resamples repeat under a seed and stay in range", "[statistics]") {
  const auto a = Resamples::draw(3, 5, 200, 9), b = Resamples::draw(3, 5, 200, 9),
             other = Resamples::draw(3, 5, 200, 10);
  CHECK(a.first == b.first);
  CHECK(a.second == b.second);
  CHECK(a.first != other.first);
  std::vector<int> counts(5, 0);
  for (const auto& draw : a.second)
    for (const auto i : draw) ++counts.at(i);
  for (const int count : counts) CHECK(count > 140);  // 200 expected
}

TEST_CASE("the studentized range equals SciPy's", "[statistics][golden]") {
  for (const auto& [q, k, df, expected] :
       golden()["range"].get<std::vector<std::tuple<double, int, double, double>>>()) {
    CAPTURE(q, k, df);
    CHECK_THAT(studentized_range_tail(q, k, df), WithinAbs(expected, 1e-6));
  }
  CHECK_THAT(studentized_range_quantile(0.05, 3, 10),
             WithinAbs(3.877, 5e-4));  // as printed tables have it
  CHECK(studentized_range_tail(0, 3, 10) == 1);
  // Far out the tail is none, and costs no more than elsewhere.
  for (const double q : {1e6, 1e100, 1e308, std::numeric_limits<double>::infinity()}) {
    CAPTURE(q);
    CHECK_THAT(studentized_range_tail(q, 3, 10), WithinAbs(0, 1e-40));
    CHECK(studentized_range_tail(q, 3, 1e7) == 0);
  }
  CHECK(detail::normal_range_tail(54, 3) > 0);  // 1e-318
  CHECK(detail::normal_range_tail(55.1, 1000) == 0);
  // Two groups: q = √2 · t.
  CHECK_THAT(
      studentized_range_tail(3 * std::sqrt(2), 2, 18),
      WithinRel(2 * boost::math::cdf(boost::math::complement(boost::math::students_t(18), 3.0)),
                1e-9));
}

TEST_CASE("Holm's adjustment equals statsmodels'", "[statistics][golden]") {
  for (const auto& [p, expected] :
       golden()["holm"].get<std::vector<std::pair<std::vector<double>, std::vector<double>>>>()) {
    const auto adjusted = holm(p);
    for (std::size_t i = 0; i < p.size(); ++i)
      CHECK_THAT(adjusted[i], WithinRel(expected[i], 1e-12));
  }
  const auto with_gap = holm(std::vector{0.01, std::nan(""), 0.04});
  CHECK(with_gap[0] == 0.02);
  CHECK(std::isnan(with_gap[1]));
  CHECK(with_gap[2] == 0.04);
}

TEST_CASE("the blocked analysis equals statsmodels'", "[statistics][golden]") {
  for (const auto& c : golden()["blocked"]) {
    const auto lines = blocked_anova(c["y"]);
    REQUIRE(lines.size() == 5);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK_THAT(lines[i].sum_of_squares, WithinRel(number(c["lines"][i][0]), 1e-9));
      CHECK(lines[i].df == number(c["lines"][i][1]));
      CHECK_THAT(lines[i].f, WithinRel(number(c["lines"][i][2]), 1e-9));
      CHECK_THAT(lines[i].p, WithinRel(number(c["lines"][i][3]), 1e-9));
    }
    CHECK_THAT(lines[4].sum_of_squares, WithinRel(number(c["residual"][0]), 1e-9));
  }
  CHECK_THROWS_AS(blocked_anova({{{1, 2}, {3, 4}}, {{1, 2}, {3}}}), Error);
}

TEST_CASE("power equals statsmodels'", "[statistics][golden]") {
  for (const auto& [f, k, n, expected] :
       golden()["power"].get<std::vector<std::tuple<double, int, int, double>>>())
    CHECK_THAT(anova_power(f, k, n), WithinRel(expected, 1e-9));
  const double d = detectable_difference(10);
  CHECK_THAT(anova_power(d / 2, 2, 10), WithinRel(0.8, 1e-9));
  CHECK(detectable_difference(3) > d);
}

TEST_CASE("groups without variance are infinite or undefined, never a number from noise",
          "[statistics]") {
  const Groups same{{0.1, 0.1, 0.1}, {0.1, 0.1, 0.1}}, apart{{0.1, 0.1, 0.1}, {0.3, 0.3, 0.3}};
  CHECK_FALSE(one_way_anova(same).defined());
  CHECK(std::isinf(one_way_anova(apart).statistic));
  CHECK(one_way_anova(apart).p == 0);
  CHECK_FALSE(welch_anova(apart).defined());
  CHECK_FALSE(kruskal_wallis(same).defined());
  CHECK(kruskal_wallis(apart).defined());
  CHECK_FALSE(levene(same).defined());
  // Two values lie equally far from their middle, but for rounding.
  const Groups twos{{0.1, 0.3}, {0.7, 0.2}};
  CHECK_FALSE(levene(twos).defined());
  CHECK_FALSE(levene(twos, Center::kMean).defined());
  CHECK(levene({{0.1, 0.3, 0.4}, {0.7, 0.2}}).defined());
  CHECK_FALSE(shapiro_wilk(same[0]).defined());
  CHECK(std::isnan(tukey_kramer(apart)[0].p));
  CHECK(std::isnan(welch_interval(apart[0], apart[1]).first));
  CHECK(std::isnan(eta_squared(same[0], same[1])));
  CHECK(eta_squared(apart[0], apart[1]) == 1);
  CHECK(std::isnan(
      bootstrap_interval(apart[0], apart[1], hedges_g, Resamples::draw(3, 3, 50, 1)).first));
}

TEST_CASE("values whose squares overflow make statistics undefined, tiny ones none",
          "[statistics]") {
  const Groups ones{{1, 2, 4, 3}, {2, 5, 7, 9}};
  const auto times = [&](double factor) {
    auto groups = ones;
    for (auto& group : groups)
      for (double& x : group) x *= factor;
    return groups;
  };
  for (const double factor : {1e160, 1e300, 1e307}) {
    CAPTURE(factor);
    const auto huge = times(factor);
    CHECK_FALSE(one_way_anova(huge).defined());
    CHECK_FALSE(welch_anova(huge).defined());
    CHECK_FALSE(levene(huge).defined());
    CHECK(std::isnan(tukey_kramer(huge)[0].p));
    CHECK(std::isnan(games_howell(huge)[0].p));
    CHECK(std::isnan(welch_interval(huge[0], huge[1]).first));
    CHECK(kruskal_wallis(huge).p == kruskal_wallis(ones).p);
  }
  CHECK_FALSE(shapiro_wilk(std::vector{-1e308, 0.0, 1e308, 1e308}).defined());
  for (const double factor : {1e-150, 1e-100, 1e100, 1e150}) {
    CAPTURE(factor);
    const auto same = times(factor);
    CHECK_THAT(one_way_anova(same).p, WithinRel(one_way_anova(ones).p, 1e-9));
    CHECK_THAT(welch_anova(same).p, WithinRel(welch_anova(ones).p, 1e-9));
    CHECK_THAT(games_howell(same)[0].p, WithinRel(games_howell(ones)[0].p, 1e-9));
    CHECK_THAT(welch_interval(same[0], same[1]).first / factor,
               WithinRel(welch_interval(ones[0], ones[1]).first, 1e-9));
    CHECK_THAT(shapiro_wilk(same[1]).p, WithinRel(shapiro_wilk(ones[1]).p, 1e-9));
  }
  CHECK_THAT(shapiro_wilk(times(1e-300)[1]).p, WithinRel(shapiro_wilk(ones[1]).p, 1e-9));
}

TEST_CASE("tests refuse what they cannot compare", "[statistics]") {
  CHECK_THROWS_AS(one_way_anova({{1, 2}}), Error);
  CHECK_THROWS_AS(one_way_anova({{1, 2}, {}}), Error);
  CHECK_THROWS_AS(welch_anova({{1, 2}, {3}}), Error);
  CHECK_THROWS_AS(kruskal_wallis({{1, 2}, {std::nan("")}}), Error);
  CHECK_THROWS_AS(shapiro_wilk(std::vector{1.0, 2.0}), Error);
}

TEST_CASE("descriptions give both standard deviations", "[statistics]") {
  const std::vector<double> sample{1, 2, 3, 4};
  const auto d = describe(sample);
  CHECK(d.mean == 2.5);
  CHECK_THAT(d.population_sd, WithinRel(std::sqrt(1.25), 1e-15));
  CHECK_THAT(d.sample_sd, WithinRel(std::sqrt(5.0 / 3), 1e-15));
  CHECK_THAT(d.half_width,
             WithinRel(3.182446305284263 * std::sqrt(5.0 / 3) / 2, 1e-12));  // t(0.975; 3)
  CHECK(std::isnan(describe({}).mean));
  CHECK(std::isnan(describe(std::span(sample).first(1)).sample_sd));
}

TEST_CASE("quantiles lie between neighbours as NumPy's do", "[statistics][quantile]") {
  const std::vector<double> sorted{1, 2, 4, 8};
  CHECK(quantile(sorted, 0) == 1);
  CHECK(quantile(sorted, 0.25) == 1.75);
  CHECK(quantile(sorted, 0.9) == Catch::Approx(6.8));
  CHECK(quantile(sorted, 1) == 8);
  CHECK(median({5, 1, 9}) == 5);
  CHECK(median({9, 1, 3, 5}) == 4);
  CHECK_THROWS_AS(median({}), Error);
}
