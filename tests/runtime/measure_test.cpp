// What is made of measured times: statistics by hand and by chance, shares of steps,
// and the words about noise.
#include "runtime/measure/measure.h"

#include "runtime/measure/bench.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

using namespace vitals;
using doctest::Approx;

TEST_CASE("a difference is told when the interval of the ratios of neighbouring runs excludes it") {
  const auto ratio_of = [](std::size_t runs, double factor, double drift) {
    BenchResult a;
    BenchResult b;
    for (std::size_t i = 0; i < runs; ++i) {
      // Both get slower by the same drift, and every run is a few percent off, in turns.
      const double base = 10 * (1 + drift * static_cast<double>(i));
      const double noise[] = {0.97, 1.02, 1.00, 1.03, 0.98};
      a.run_ms.push_back(base * noise[i % 5]);
      b.run_ms.push_back(base * factor * noise[(i + 2) % 5]);
    }
    return time_ratio(a, b);
  };
  CHECK_FALSE(ratio_of(40, 1, 0.05).differs);
  CHECK_FALSE(ratio_of(40, 1.005, 0).differs);  // within kSameTime
  CHECK_FALSE(ratio_of(5, 2, 0).differs);       // too few runs
  CHECK(ratio_of(40, 1.2, 0.05).differs);
  CHECK(ratio_of(40, 0.8, 0.05).differs);
  CHECK(ratio_of(40, 1.2, 0.05).ratio.median == doctest::Approx(1.2).epsilon(0.05));
}

TEST_CASE("statistics follow numpy's definitions") {
  // By hand, with numpy's definitions: std(ddof=1), percentile's linear interpolation.
  const std::vector<double> x = {3, 1, 4, 1, 5, 9, 2, 6};
  const auto s = statistics(x);
  CHECK(s.runs == 8);
  CHECK(s.min == 1);
  CHECK(s.median == 3.5);
  CHECK(s.mean == 3.875);
  CHECK(s.stddev == Approx(2.748376143938713));
  CHECK(s.p95 == Approx(7.95));
  const auto one = statistics(std::vector<double>{7.0});
  CHECK(one.median == 7);
  CHECK(one.stddev == 0);
  CHECK(one.ci95_low == 7);
  CHECK(one.ci95_high == 7);
}

// Conover 1999, table A3: the binomial distribution with p = 0.5.
TEST_CASE("the interval of the median has the ranks of the sign test's tables") {
  const auto ranks = [](int n) {
    std::vector<double> values;
    for (int i = 1; i <= n; ++i) values.push_back(i);
    const auto s = statistics(values);
    return std::pair(s.ci95_low, s.ci95_high);
  };
  CHECK(ranks(5) == std::pair(1.0, 5.0));
  CHECK(ranks(6) == std::pair(1.0, 6.0));
  CHECK(ranks(10) == std::pair(2.0, 9.0));
  CHECK(ranks(20) == std::pair(6.0, 15.0));
  CHECK(ranks(41) == std::pair(14.0, 28.0));
  CHECK(ranks(1000) == std::pair(469.0, 532.0));
  // Beyond, the normal distribution: the same within a rank.
  CHECK(ranks(1001) == std::pair(470.0, 532.0));
}

TEST_CASE("the interval holds the true median in 95 of 100 samples, whatever the distribution") {
  std::mt19937 random(1);
  std::exponential_distribution<double> skewed(1.0);
  const double truth = 0.6931471805599453;  // ln 2
  int held = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> sample(41);
    for (auto& v : sample) v = skewed(random);
    const auto s = statistics(sample);
    held += s.ci95_low <= truth && truth <= s.ci95_high ? 1 : 0;
  }
  CHECK(held >= 1880);
  CHECK(held <= 1980);
}

TEST_CASE("steps share the median latency as they shared the runs near it") {
  Measurement m;
  std::mt19937 random(2);
  for (int run = 0; run < 40; ++run) {
    const auto slow = static_cast<double>(1 + random() % 100) / 50;
    m.run_ms.push_back(10 * slow);  // steps take 2, 5 and 2.5 of 10; the rest lies between them
    m.step_ms.push_back({static_cast<float>(2 * slow), static_cast<float>(5 * slow),
                         static_cast<float>(2.5 * slow)});
  }
  const double middle = median(m.run_ms);
  const auto steps = typical_step_ms(m);
  REQUIRE(steps.size() == 3);
  CHECK(steps[0] == Approx(0.20 * middle));
  CHECK(steps[1] == Approx(0.50 * middle));
  CHECK(steps[2] == Approx(0.25 * middle));
}

TEST_CASE("noise is told in words, a quiet measurement is not commented") {
  Measurement m;
  std::mt19937 random(3);
  for (int run = 0; run < 200; ++run)
    m.run_ms.push_back(10 + static_cast<double>(random() % 10) / 100);
  m.load.wall_seconds = 2;
  m.load.own_cpu_seconds = 3.9;
  m.load.machine_cpu_seconds = 4.0;
  const auto words = [&] {
    std::string text;
    for (const auto& sentence : noise_warnings(m, statistics(m.run_ms), 2)) text += sentence + "\n";
    return text;
  };
  CHECK(words().empty());
  const auto quiet = m;
  m.load.machine_cpu_seconds = 5.9;
  CHECK(words().find("Other programs kept 1.0 CPUs busy") != std::string::npos);
  m = quiet;
  m.load.stolen_cpu_seconds = 0.5;
  CHECK(words().find("gave 25 % of a CPU to others") != std::string::npos);
  m = quiet;
  for (std::size_t i = 0; i < m.run_ms.size(); i += 20) m.run_ms[i] = 30;
  CHECK(words().find("10 of 200 runs are outliers") != std::string::npos);
  m = quiet;
  for (std::size_t i = 130; i < m.run_ms.size(); ++i) m.run_ms[i] += 1;
  CHECK(words().find("10 % slower") != std::string::npos);
  m = quiet;
  m.run_ms.resize(3);
  CHECK(words().find("Only 3 runs were measured") != std::string::npos);
  m = quiet;
  m.settled = false;
  CHECK(words().find("before the times had settled") != std::string::npos);
}
