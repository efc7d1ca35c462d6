#include "core/suggest.h"

#include <doctest/doctest.h>

using namespace vitals;

TEST_CASE("nearest finds typing errors and parts of names") {
  const std::vector<std::string> known = {"embed_dim", "depth", "num_heads", "mlp_ratio"};
  CHECK(nearest("depht", known).front() == "depth");
  CHECK(nearest("embed-dim", known).front() == "embed_dim");
  CHECK(nearest("heads", known).front() == "num_heads");
  CHECK(nearest("zzzzzzzz", known).empty());
  CHECK(did_you_mean("depht", known) == "; did you mean 'depth'?");
}
